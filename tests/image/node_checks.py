"""A node inside the image with a PACS outside: a routed study comes back as a SEG."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.node.queue.jobs.job_state import ENDS
from tests.image.contained import IMAGE, USER, mounted, words
from tests.support.node.node_processes import Orthanc, Served, until
from training.phantoms import phantom_ct, write_series


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[tuple[Orthanc, Served]]:
    """Orthanc, and a node in the image on this machine's network."""
    pacs = Orthanc(tmp_path / "pacs")
    node = Served(tmp_path, (pacs.as_peer(),), quiet_s=2.0)
    data = tmp_path / "data"
    data.mkdir()
    # Its own models, and the volume's place
    told = json.loads(node.configuration.read_text())["osteon"]
    told["node"]["data"] = "/var/lib/osteon"
    del told["models"]
    node.configuration.write_text(json.dumps({"osteon": told}))
    pacs.start(node.port)
    with mounted(IMAGE) as image:
        line = words(
            image,
            [*image.entry_point, "serve"],
            read={"/var/holoscan/app.yaml": node.configuration},
            written={"/var/lib/osteon": data},
            network=True,
        )
        with (tmp_path / "node.log").open("wb") as log:
            node.process = subprocess.Popen(line, stdout=log, stderr=log)
        try:
            began = time.monotonic()
            until(node.is_well, 180)
            print(f"\nthe node is ready after {time.monotonic() - began:.1f} s")
            yield pacs, node
        finally:
            node.process.terminate()
            node.process.wait(60)
            pacs.stop()


def test_a_routed_study_comes_back(hospital: tuple[Orthanc, Served], tmp_path: Path) -> None:
    pacs, node = hospital
    phantom = phantom_ct(np.random.default_rng(3), (1.4, 1.4, 2.0))
    write_series(phantom.ct, tmp_path / "ct")
    pacs.upload(tmp_path / "ct")
    (study,) = pacs.get("studies")
    uid = pacs.get(f"studies/{study}")["MainDicomTags"]["StudyInstanceUID"]
    pacs.route(uid)
    until(lambda: any(job.state in ENDS for job in node.jobs()), 300)
    assert [job.state for job in node.jobs()] == ["delivered"]
    assert len(pacs.segs()) == 1
    assert all(path.stat().st_uid == USER for path in (tmp_path / "data").rglob("*"))
