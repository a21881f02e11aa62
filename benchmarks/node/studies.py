"""Measures small studies through the whole node, and the node's overhead beside the segmentation.

    python -m benchmarks.node.studies [--studies 100] [--data FOLDER]

A network with few weights segments studies of 16 small slices; DCMTK sends them, Orthanc takes the results.
"The run" is a worker's work on a study: scan, segment, write, verify. The rest is the node's overhead.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path

import psutil

from tests.support.dicom import phantoms
from tests.support.node.node_cases import storescu, system_tool
from tests.support.node.node_processes import Orthanc, Served, until
from training.command_line import run

AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))
HU = phantoms.position_volume((16, 16, 16), AFFINE)
QUIET_S = 1.0
PARTS = ("listener", "sender", "worker")
ALONE = (9001, 9002)
RESULTS = ("seg", "sr")
# Number of memory readings during many studies
LOOKS = 5
# Long enough for a machine that is slow for a while
LONGEST_S = 7200


def main(*, studies: int = 100, data: Path | None = None) -> None:
    """Measures many studies, one after another, on the disk of the folder `data`."""
    with tempfile.TemporaryDirectory(dir=data) as temporary:
        measure(Path(temporary), studies)


def measure(root: Path, studies: int) -> None:
    """Measures one study alone, then many in a row."""
    for study in (*ALONE, *range(1, studies + 1)):
        phantoms.write_ct(root / "ct" / f"{study:04d}", HU, AFFINE, study=study)
    pacs = Orthanc(root / "pacs").start()
    peers = {"name": "ct1", "ae_title": "CT1"}, pacs.as_peer(results=RESULTS)
    node = Served(root, peers, quiet_s=QUIET_S, network_s=60.0)
    began = time.perf_counter()
    try:
        node.start()
        print(f"start to ready {time.perf_counter() - began:.1f} s", flush=True)
        one_alone(node, pacs, root / "ct")
        many(node, pacs, root / "ct", studies)
    finally:
        node.stop()
        pacs.stop()


def holds(pacs: Orthanc, least: int) -> bool:
    """Returns whether the PACS holds at least this many results."""
    return stored(pacs) >= least


def one_alone(node: Served, pacs: Orthanc, studies: Path) -> None:
    """Measures the time from the last acknowledged instance to the result in the PACS, once warmed up."""
    for number, study in enumerate(ALONE, start=1):
        before_s = run_seconds(node)
        code, text = storescu(node.port, "+sd", studies / str(study))
        assert code == 0, text
        began = time.perf_counter()
        until(partial(holds, pacs, number))
        took_s, run_s = time.perf_counter() - began, run_seconds(node) - before_s
    print(
        f"one study: results in Orthanc {took_s:.2f} s after the last instance = quiet {QUIET_S:.2f} "
        f"+ the run {run_s:.2f} + the node's overhead {took_s - QUIET_S - run_s:.2f}",
        flush=True,
    )


def many(node: Served, pacs: Orthanc, folder: Path, studies: int) -> None:
    """Measures the overhead and memory of many studies, and whether any is lost or doubled."""
    for study in ALONE:
        (folder / str(study)).rename(folder.parent / str(study))
    command = [system_tool("storescu"), "-aet", "CT1", "-aec", "OSTEON", "+sd", "+r", "127.0.0.1"]
    sender = subprocess.Popen([*command, str(node.port), str(folder)], env={**os.environ, "TCP_NODELAY": "1"})
    before = until(lambda: max(0, stored(pacs) - len(ALONE)))
    before_s, began = run_seconds(node), time.perf_counter()
    memory_mb = []
    for look in range(1, LOOKS + 1):
        until(partial(holds, pacs, len(ALONE) + look * studies // LOOKS), LONGEST_S)
        memory_mb.append({name: psutil.Process(node.part(name)).memory_info().rss / 1e6 for name in PARTS})
    took_s = (time.perf_counter() - began) / (studies - before)
    run_s = (run_seconds(node) - before_s) / (studies - before)
    assert sender.wait(60) == 0, "expected storescu to send all"
    jobs = until(lambda: node.ended_jobs(len(ALONE) + studies))
    print(
        f"{studies} studies and {len(ALONE)} before: {dict(Counter(job.state for job in jobs))}; "
        f"results of {stored(pacs)} in Orthanc, {deliveries(node)} deliveries"
    )
    print(
        f"{took_s:.3f} s each from the first result to the last, of which the run {run_s:.3f} s: "
        f"the node's overhead {1000 * (took_s - run_s):.0f} ms"
    )
    for name in PARTS:
        print(f"memory of the {name}: " + ", ".join(f"{each[name]:.0f}" for each in memory_mb) + " MB")


def stored(pacs: Orthanc) -> int:
    """Counts the studies whose results are in the PACS."""
    return int(pacs.get("statistics")["CountInstances"]) // len(RESULTS)


def run_seconds(node: Served) -> float:
    """Returns the seconds of all runs so far."""
    return sum(measured(node, r"osteon_step_seconds_sum\{.*\} (.*)"))


def deliveries(node: Served) -> int:
    """Counts the deliveries."""
    return int(sum(measured(node, r'osteon_deliveries_total\{.*state="delivered".*\} (.*)')))


def measured(node: Served, pattern: str) -> list[float]:
    """Returns the values of the metrics that match a pattern."""
    return [float(value) for value in re.findall(f"^{pattern}$", node.metrics(), re.MULTILINE)]


if __name__ == "__main__":
    run(main, __doc__)
