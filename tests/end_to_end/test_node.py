"""A hospital's PACS routes a study to Osteon, and finds the SEG under the right study."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests import phantoms
from tests.integration.node_processes import Orthanc, Served, until

AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))
HU = phantoms.position_volume((16, 16, 16), AFFINE)


def uid(study: int) -> str:
    return f"{phantoms.UID_ROOT}.{study}"


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[tuple[Orthanc, Served]]:
    pacs = Orthanc(tmp_path / "pacs")
    node = Served(tmp_path, (pacs.as_peer(),))
    pacs.start(node.port)
    yield pacs, node
    pacs.stop()
    if node.process is not None and node.process.poll() is None:
        node.kill()


def test_a_routed_study_comes_back_as_a_seg(hospital: tuple[Orthanc, Served], tmp_path: Path) -> None:
    pacs, node = hospital
    node.start()
    phantoms.write_ct(tmp_path / "ct", HU, AFFINE)
    pacs.upload(tmp_path / "ct")
    pacs.route(uid(1))
    (job,) = until(lambda: node.ended_jobs(1))
    assert job.state == "delivered", job
    (seg,) = pacs.segs()
    assert seg["StudyInstanceUID"] == uid(1)
    assert seg["PatientID"] == "PHANTOM"
    assert node.stop() == 0
