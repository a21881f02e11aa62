"""How long small studies take through the whole node, and what the node adds to the segmentation itself.

    python -m benchmarks.node [--studies 100] [--data FOLDER]

A network of a few weights segments studies of 16 small slices; DCMTK sends them and receives the results.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from datetime import datetime
from pathlib import Path

import psutil

from tests import phantoms
from tests.integration.node_cases import storescu, system_tool
from tests.integration.node_processes import Served, free_port, until

AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))
HU = phantoms.position_volume((16, 16, 16), AFFINE)
QUIET_S = 1.0


def main() -> None:
    """Prints seconds and memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--studies", type=int, default=100, help="studies that are sent one after another")
    parser.add_argument("--data", type=Path, help="folder on the disk to be measured")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.data) as temporary:
        measure(Path(temporary), arguments.studies)


def measure(root: Path, studies: int) -> None:
    """One study alone, then many one after another."""
    port = free_port()
    (root / "pacs").mkdir()
    pacs = subprocess.Popen([system_tool("storescp"), "-od", str(root / "pacs"), str(port)])
    peers = (
        {"name": "ct1", "ae_title": "CT1"},
        {"name": "pacs", "ae_title": "PACS", "host": "127.0.0.1", "port": port, "receives": True},
    )
    node = Served(root, peers, quiet_s=QUIET_S, network_s=60.0)
    began = time.perf_counter()
    node.start()
    print(f"start to ready {time.perf_counter() - began:.1f} s")
    try:
        one_alone(node, root)
        many(node, root, studies)
    finally:
        node.stop()
        pacs.kill()


def one_alone(node: Served, root: Path) -> None:
    """From the last acknowledged instance to the result in the PACS; the second study, as nothing is new."""
    for study in (9001, 9002):
        before_s, sent_s = stage_seconds(node), sent(node, root, study)
        until(lambda n=study - 9000: len(list((root / "pacs").iterdir())) == n)
        took_s, run_s = time.perf_counter() - sent_s, stage_seconds(node) - before_s
    print(f"one study: {took_s:.2f} s after its last instance = quiet {QUIET_S:.2f} "
          f"+ stages {run_s:.2f} + the node's own {took_s - QUIET_S - run_s:.2f}")


def many(node: Served, root: Path, studies: int) -> None:
    """None lost, none doubled; how much longer each takes than its stages."""
    began, before_s = time.perf_counter(), stage_seconds(node)
    for study in range(1, studies + 1):
        sent(node, root, study)
    jobs = until(lambda: node.ended_jobs(studies + 2), 3600)
    took_s = time.perf_counter() - began
    states = Counter(job.state for job in jobs)
    results = len(list((root / "pacs").iterdir()))
    stages_s = (stage_seconds(node) - before_s) / studies
    print(f"{studies} studies: {dict(states)}, {results} results")
    print(f"{took_s / studies:.2f} s each, of which stages {stages_s:.2f} s")
    print(f"median from queued to delivered {statistics.median(waits(node)):.2f} s")
    assert node.process is not None
    for child in psutil.Process(node.process.pid).children(recursive=True):
        print(f"memory {child.memory_info().rss / 1e6:.0f} MB")


def sent(node: Served, root: Path, study: int) -> float:
    """Sends one study; when its last instance was acknowledged."""
    folder = root / "ct" / str(study)
    phantoms.write_ct(folder, HU, AFFINE, study=study)
    code, text = storescu(node.port, "+sd", folder)
    assert code == 0, text
    return time.perf_counter()


def stage_seconds(node: Served) -> float:
    """Seconds of all stages of all studies so far."""
    lines = [line for line in node.metrics().splitlines() if line.startswith("osteon_stage_seconds_sum")]
    return sum(float(line.split()[-1]) for line in lines)


def waits(node: Served) -> list[float]:
    """Seconds from queued to delivered, from the log."""
    times: dict[str, dict[str, datetime]] = {}
    for line in node.log().splitlines():
        said = json.loads(line) if line.startswith("{") else {}
        if said.get("event") in ("study_queued", "delivered"):
            times.setdefault(said["job"], {})[said["event"]] = datetime.fromisoformat(said["timestamp"])
    pairs = (each for each in times.values() if len(each) == 2)
    return [(each["delivered"] - each["study_queued"]).total_seconds() for each in pairs]


if __name__ == "__main__":
    main()
