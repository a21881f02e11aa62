"""A PACS routes results back, and corrects a patient: Orthanc and a node that knows all forms of results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread

from operators.dicom.capture.key_objects import write_key_objects
from operators.dicom.capture.secondary_captures import write_pictures, write_turntable
from operators.dicom.read.scan import scan
from operators.render.turntable import View
from tests.slow.operators.dicom.capture.test_picture_writer import MADE, PICTURES, PIXELS
from tests.support.dicom import phantoms
from tests.support.dicom.seg_cases import provenance
from tests.support.node.node_processes import Orthanc, Served, fetched, until

AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))
HU = phantoms.position_volume((16, 16, 16), AFFINE)
STUDY = f"{phantoms.UID_ROOT}.1"
RESULTS = ("seg", "sr", "summary", "pdf", "text", "sc", "turntable", "kos", "rtstruct")


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[tuple[Orthanc, Served]]:
    pacs = Orthanc(tmp_path / "pacs")
    node = Served(tmp_path, (pacs.as_peer(results=RESULTS),), quiet_s=1.0)
    pacs.start(node.port)
    node.start()
    yield pacs, node
    pacs.stop()
    node.end()


def instances(pacs: Orthanc) -> int:
    """How many the PACS has of the study."""
    return len(pacs.get("instances"))


def routed(pacs: Orthanc, node: Served) -> None:
    """The whole study, with all that was made of it, until the node has it and has been quiet."""
    pacs.route(STUDY)
    seen = len(node.log())
    pacs.upload(another(node.root / "another"))
    pacs.route(f"{phantoms.UID_ROOT}.{another.number}")
    until(lambda: ended(node, f"{phantoms.UID_ROOT}.{another.number}"), 120)
    assert len(node.log()) > seen


class Another:
    """Studies that follow, so that it is known when the node has looked at those before them."""

    number = 1

    def __call__(self, folder: Path) -> Path:
        self.number += 1
        phantoms.write_ct(folder / str(self.number), HU, AFFINE, study=self.number, keep=[0])
        return folder / str(self.number)


another = Another()


def pictures(folder: Path, turn: int) -> Path:
    """What is made of fractures: two pictures, a turntable of one view, and a key object selection."""
    (series,) = scan(folder.parent / "ct").series
    named = replace(provenance(MADE, series), revision=turn)
    write_pictures(PICTURES, named, folder / "pictures")
    write_turntable((View(PIXELS, 0),), named, folder / "turntable")
    write_key_objects(PICTURES, named, folder / "key-objects.dcm")
    return folder


def corrected(pacs: Orthanc, folder: Path) -> None:
    """All that the PACS has of the study gets another patient; every UID stays."""
    folder.mkdir()
    (study,) = pacs.post("tools/lookup", STUDY.encode())
    for each in pacs.get(f"studies/{study['ID']}/instances"):
        dataset = dcmread(BytesIO(pacs.file(each["ID"])))
        dataset.PatientID, dataset.PatientName = "RIGHT", "Right^Patient"
        dataset.save_as(folder / f"{each['ID']}.dcm")
    fetched(f"http://127.0.0.1:{pacs.http_port}/studies/{study['ID']}", method="DELETE")
    pacs.upload(folder)


def ended(node: Served, study: str) -> bool:
    """Whether its jobs have ended."""
    found = [job for job in node.jobs() if job.study_instance_uid == study]
    return bool(found) and all(job.state in ("delivered", "refused", "superseded") for job in found)


def jobs_of_study(node: Served) -> list[tuple[str, str]]:
    return [(job.state, job.code) for job in node.jobs() if job.study_instance_uid == STUDY]


def test_results_come_back_three_times_and_then_the_patient_is_corrected(
    hospital: tuple[Orthanc, Served], tmp_path: Path
) -> None:
    pacs, node = hospital
    phantoms.write_ct(tmp_path / "ct", HU, AFFINE)
    pacs.upload(tmp_path / "ct")
    pacs.route(STUDY)
    until(lambda: ended(node, STUDY), 120)
    assert jobs_of_study(node) == [("delivered", "")]
    stored = instances(pacs)
    assert stored > HU.shape[2] + 2
    for turn in range(1, 4):
        pacs.upload(pictures(tmp_path / f"pictures{turn}", turn))
        routed(pacs, node)
        assert jobs_of_study(node) == [("delivered", "")]
        assert instances(pacs) == stored + another.number - 1 + 4 * turn
        assert len(pacs.results("KO")) == turn
    corrected(pacs, tmp_path / "corrected")
    pacs.route(STUDY)
    until(lambda: jobs_of_study(node) == [("delivered", "former_patient_data"), ("delivered", "")], 120)
    latest = [seg for seg in pacs.segs() if "replaces v1" in seg["SeriesDescription"]]
    assert {seg["PatientID"] for seg in latest} == {"RIGHT"}
    assert latest
    routed(pacs, node)
    assert jobs_of_study(node) == [("delivered", "former_patient_data"), ("delivered", "")]
    assert "RIGHT" not in node.log()
