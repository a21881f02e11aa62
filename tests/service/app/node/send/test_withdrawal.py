"""Results that a real PACS has are withdrawn there by a rejection note, once, and on the record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from pydicom import dcmread

from app.node.queue.job import Json, job_folder
from app.node.queue.jobs.job_list import list_jobs
from app.node.queue.jobs.job_state import JobState
from app.node.segment.series_outcome import sha256_of
from app.node.send.sender import attempt
from app.node.send.withdrawal import WITHDRAWN, WITHDRAWN_AT, rejection_of
from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer
from app.node.studies.dispatcher import mark
from app.node.studies.user_actions import ACTIONS, Acting, act
from app.node.watch.audit import audit_trail
from operators.dicom.elements.instance_identity import read_outgoing
from operators.dicom.provenance.result_check import ResultName
from operators.dicom.seg.seg_writer import write_seg
from operators.dicom.sr.report_writer import write_report
from operators.errors import UsageError
from operators.measure.measuring import measure_segments
from tests.service.app.node.studies.test_retention import Node
from tests.support.dicom.seg_cases import blobs, bone, grid, provenance, segmentation, series
from tests.support.node.node_processes import Orthanc, until
from tests.support.node.queue_cases import SEGMENTED, ScriptedSegmenter, worked_off
from tests.support.node.study_cases import quiet, sent

MADE = measure_segments(segmentation(blobs(), grid(), bone(11, fragment=1), bone(12, fragment=2)))


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[Orthanc]:
    found = Orthanc(tmp_path / "pacs").start()
    yield found
    found.stop()


def names(path: Path) -> Json:
    """Returns the UIDs of a file, as a worker records them."""
    return asdict(ResultName(*read_outgoing(path)))


def results(folder: Path) -> list[Json]:
    """Writes a SEG and a report as a worker does."""
    shared = provenance(MADE, series(grid()))
    seg = write_seg(MADE, shared, folder / "segmentation.dcm")
    paths = {"seg": seg, "sr": write_report(MADE, shared, seg, folder / "measurements.dcm")}
    return [
        {
            "kind": kind,
            "file": path.name,
            "sha256": sha256_of(path),
            **names(path),
        }
        for kind, path in paths.items()
    ]


def test_results_are_withdrawn_once_from_the_pacs_that_has_them(pacs: Orthanc, tmp_path: Path) -> None:
    here = Node(tmp_path / "node", quiet_s=0, peers=(Peer.model_validate(pacs.as_peer()),))
    sent(here)
    quiet(here, 0)
    data = here.settings.data
    acting = Acting(here.settings, here.client, "ann")

    def job() -> JobState:
        return list_jobs(here.client)[0]

    with pytest.raises(UsageError, match="has sent none"):
        act(acting, "withdraw", job().job_id)
    files = results(job_folder(data, job().job_id).output)
    trail = audit_trail(here.settings)
    with worked_off(
        here.settings,
        ScriptedSegmenter(lambda: SEGMENTED | {"files": files}),
        attempt=lambda delivery: attempt(delivery, here.settings, trail),
    ):
        until(lambda: job().state == "delivered")
        assert ACTIONS["withdraw"].applies(job())
        (said,) = act(acting, "withdraw", job().job_id)
        assert "pacs" in said
        until(lambda: job().state == "delivered" and job().code == WITHDRAWN, 60)
    assert "withdrawn at pacs" in job().sentence
    assert not ACTIONS["withdraw"].applies(job())
    with pytest.raises(UsageError, match="being withdrawn or were"):
        act(acting, "withdraw", job().job_id)
    (note,) = pacs.results("KO")
    assert note["ConceptNameCodeSequence"][0]["CodeValue"] == "113001"
    assert note["PatientID"] == "P1"
    listed = {
        each["ReferencedSOPInstanceUID"]
        for study in note["CurrentRequestedProcedureEvidenceSequence"]
        for one in study["ReferencedSeriesSequence"]
        for each in one["ReferencedSOPSequence"]
    }
    assert listed == {file["sop_instance_uid"] for file in files}
    assert "Results are withdrawn" in trail.path.read_text(encoding="utf-8")
    assert "ann" in trail.path.read_text(encoding="utf-8")


def test_the_note_names_what_replaced_a_seg_at_this_peer_and_at_no_other(tmp_path: Path) -> None:
    folder = job_folder(tmp_path, "1.2.1-1").output
    files, shared = results(folder), provenance(MADE, series(grid()))
    for peer in ("pacs", "pacs-2"):
        made = replace(shared, revision=2 if peer == "pacs" else 3)
        write_seg(MADE, made, folder / f"{peer}-labelmap-of-segmentation.dcm", profile="labelmap")
    delivery = {"job_id": "1.2.1-1", "peer": "pacs", "files": files, WITHDRAWN_AT: "2026-06-01T12:00:00"}
    note = rejection_of(delivery, NodeSettings(data=tmp_path))
    named = {
        str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
        for item in dcmread(note.path).ContentSequence
        if "ReferencedSOPSequence" in item
    }
    own = names(folder / "pacs-labelmap-of-segmentation.dcm")["sop_instance_uid"]
    assert named == {file["sop_instance_uid"] for file in files} | {own}
    assert (note.kind, note.sop_instance_uid) == ("rejection", str(dcmread(note.path).SOPInstanceUID))


def test_results_of_a_patient_that_was_corrected_can_be_withdrawn(pacs: Orthanc, tmp_path: Path) -> None:
    folder = job_folder(tmp_path, "1.2.1-1")
    files = results(folder.output)
    mark(folder)
    settings = NodeSettings(data=tmp_path, peers=(Peer.model_validate(pacs.as_peer()),))
    delivery = {"job_id": "1.2.1-1", "peer": "pacs", "files": files}
    trail = audit_trail(settings)
    assert attempt(delivery, settings, trail).state == "cancelled"
    outcome = attempt(delivery | {WITHDRAWN_AT: "2026-06-01T12:00:00"}, settings, trail)
    assert (outcome.state, outcome.code) == ("delivered", WITHDRAWN)
    assert len(pacs.results("KO")) == 1
