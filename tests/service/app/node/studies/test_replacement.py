"""A corrected result takes the place of the one that a real PACS has, after a rejection note."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.cli.corrections import send_in_place
from app.node.queue.job import Json, job_folder
from app.node.queue.jobs.job_list import list_jobs
from app.node.queue.jobs.job_state import JobState
from app.node.queue.workflow import Attempt
from app.node.segment.segmenting import Segmenter
from app.node.segment.series_outcome import sha256_of
from app.node.send.sender import attempt
from app.node.send.withdrawal import WITHDRAWN_AT
from app.node.settings.peer import Peer
from app.node.studies.edited_results import DRAWN, EditedResult, file_edit
from app.node.studies.replacement import replace_results, told_replacements
from app.node.studies.user_actions import ACTIONS, Acting, act
from app.node.watch.audit import audit_trail
from app.settings import Settings
from operators.dicom.elements.instance_identity import read_outgoing
from operators.dicom.provenance.result_check import ResultName
from operators.dicom.read.scan import scan
from operators.dicom.seg.corrected_seg import Corrected, write_corrected_seg
from operators.dicom.seg.seg_reader import read_seg_on
from operators.errors import UsageError
from operators.geometry.volume import LabelMap
from tests.service.app.node.queue.test_queue import RULES
from tests.service.app.node.studies.test_retention import Node
from tests.support.node.node_processes import Orthanc, until
from tests.support.node.queue_cases import DELIVERED, SEGMENTED, ScriptedSegmenter, worked_off
from tests.support.node.viewed_study import put_ct, queue_study, write_prediction
from tests.support.packages.synthetic_packages import label_named, made_package

BONES = ("left_hip_bone", "right_hip_bone")
KINDS = ("seg", "sr", "summary")
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Correcting(ScriptedSegmenter):
    """A segmenter whose predictions are scripted, and whose corrections are real."""

    def __init__(self, here: Node) -> None:
        super().__init__()
        settings = Settings(node=here.settings)
        packages = (dataclasses.replace(made_package(), labels=tuple(map(label_named, BONES))),)
        self.real = Segmenter(settings, packages, graph=lambda *_: pytest.fail("no network is run"))

    def correct(self, values: Json) -> Json:
        """As a worker does."""
        return self.real.correct(values)


def correct(here: Node, job: JobState) -> str:
    """Splits a fragment of a job's result and files that; returns its SOP instance UID."""
    folder = job_folder(here.settings.data, job.job_id)
    (series,) = scan(folder.input).series
    original = folder.output / "segmentation.dcm"
    assert series.grid is not None
    labels = read_seg_on(original, series.grid).labels.copy()
    labels[:, :, 30:][labels[:, :, 30:] == 3] = 4
    made = Corrected(series, original, "ann", NOW, {4: 3})
    instance = str(made.uid("instance"))
    folder.edits.mkdir()
    path = folder.edits / f"{instance}.dcm"
    write_corrected_seg(LabelMap(labels, series.grid), made, path)
    record = EditedResult(instance, original.name, "ann", NOW.isoformat(), DRAWN)
    assert file_edit(here.settings.data, job.job_id, path, record)
    return instance


def segmented(here: Node) -> list[Json]:
    """Receives a study and writes what a worker would have written; returns its files."""
    put_ct(here)
    queue_study(here)
    (job,) = list_jobs(here.client)
    folder = job_folder(here.settings.data, job.job_id)
    write_prediction(folder)
    path = folder.output / "segmentation.dcm"
    names = dataclasses.asdict(ResultName(*read_outgoing(path)))
    return [{"kind": "seg", "file": path.name, "sha256": sha256_of(path)} | names]


def replace(here: Node, job: JobState, instance: str) -> list[str]:
    trail = audit_trail(here.settings)
    return replace_results(here.client, job.job_id, instance, here.settings, "ann", NOW, trail)


def peers_named(*names: str) -> tuple[Peer, ...]:
    """Destinations that nothing is really sent to."""
    return tuple(
        Peer(name=name, ae_title=name.upper(), host="127.0.0.1", port=1, receives=True) for name in names
    )


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[Orthanc]:
    found = Orthanc(tmp_path / "pacs").start()
    yield found
    found.stop()


def test_a_pacs_gets_a_note_of_the_prediction_then_the_corrected_result(
    pacs: Orthanc, tmp_path: Path
) -> None:
    peer = Peer.model_validate(pacs.as_peer(results=KINDS))
    here = Node(tmp_path / "node", rules=RULES, peers=(peer,))
    files, trail = segmented(here), audit_trail(here.settings)
    segmenter = Correcting(here)
    segmenter.outcome = lambda: SEGMENTED | {"files": files}
    sent: list[Json] = []

    def job() -> JobState:
        return list_jobs(here.client)[0]

    def deliver(delivery: Json) -> Attempt:
        sent.append(delivery)
        return attempt(delivery, here.settings, trail)

    with worked_off(here.settings, segmenter, deliver, corrector=segmenter):
        until(lambda: job().state == "delivered")
        instance = correct(here, job())
        (said,) = replace(here, job(), instance)
        until(lambda: job().code == "withdrawn" and "corrected results are at pacs" in job().sentence, 180)
        with pytest.raises(UsageError, match="there is none"):
            replace(here, job(), instance)
        assert ACTIONS["withdraw"].applies(job())
        act(Acting(here.settings, here.client, "ann"), "withdraw", job().job_id)
        until(lambda: len(sent) == 4 and job().state == "delivered")
        assert told_replacements(here.client, job().job_id) == {instance: "pacs: withdrawn since"}
        with pytest.raises(UsageError, match="a corrected result that is filed"):
            send_in_place(here.settings, "1.2")
        assert send_in_place(here.settings, instance) == [said]
        until(lambda: len(sent) == 5 and job().state == "delivered")
    assert told_replacements(here.client, job().job_id) == {instance: "pacs: in place of the results before"}
    assert "pacs" in said
    assert [WITHDRAWN_AT in each for each in sent] == [False, True, False, True, False]
    (prediction,) = files
    assert [file["sop_instance_uid"] for file in sent[1]["files"]] == [prediction["sop_instance_uid"]]
    check_corrected(pacs, sent[2]["files"], instance)
    assert "A corrected result is sent in place" in trail.path.read_text(encoding="utf-8")


def check_corrected(pacs: Orthanc, files: list[Json], instance: str) -> None:
    """The results of the corrected SEG name each other, the new fragment, and that people made them."""
    assert [file["kind"] for file in files] == list(KINDS)
    assert files[0]["sop_instance_uid"] == instance
    segs = {each["SOPInstanceUID"]: each for each in pacs.segs()}
    new = segs[instance]["SegmentSequence"]
    assert [each["TrackingID"] for each in new] == [f"{bone} fragment {n}" for bone in BONES for n in (1, 2)]
    (report,) = [
        each for each in pacs.results("SR") if each["SOPInstanceUID"] == files[1]["sop_instance_uid"]
    ]
    text = repr(report)
    assert instance in text
    assert [each["TrackingUID"] in text for each in new] == [True] * 4
    assert "corrected" in report["SeriesDescription"]


def test_nothing_is_sent_in_place_of_what_a_destination_will_not_reject(tmp_path: Path) -> None:
    here = Node(tmp_path / "node", rules=RULES, peers=peers_named("a", "b"))
    files, segmenter = segmented(here), Correcting(here)
    segmenter.outcome = lambda: SEGMENTED | {"files": files}
    sent: list[str] = []

    def deliver(delivery: Json) -> Attempt:
        sent.append(delivery.get("name") or delivery["peer"])
        refused = delivery["peer"] == "a" and WITHDRAWN_AT in delivery
        return Attempt("failed", "refused_by_peer", "no notes") if refused else DELIVERED

    with worked_off(here.settings, segmenter, deliver, corrector=segmenter):
        until(lambda: here.states() == ["delivered"])
        (job,) = list_jobs(here.client)
        instance = correct(here, job)
        with pytest.raises(UsageError, match="filed"):
            replace(here, job, "1.2.3")
        replace(here, job, instance)
        with pytest.raises(UsageError, match="one corrected result at a time"):
            replace(here, job, instance)
        until(lambda: "b~correction" in sent, 180)
        until(lambda: here.states() == ["failed"])
    assert sorted(sent) == ["a", "a~withdrawal", "b", "b~correction", "b~withdrawal"]
    told = told_replacements(here.client, job.job_id)[instance]
    assert "a: not sent, as the rejection note was not taken: no notes" in told
    assert "b: in place of the results before" in told


def test_a_correction_that_cannot_be_measured_leaves_the_results_where_they_are(tmp_path: Path) -> None:
    here = Node(tmp_path / "node", rules=RULES, peers=peers_named("a"))
    files, segmenter = segmented(here), Correcting(here)
    segmenter.outcome = lambda: SEGMENTED | {"files": files}
    sent: list[Json] = []

    def deliver(delivery: Json) -> Attempt:
        sent.append(delivery)
        return DELIVERED

    with worked_off(here.settings, segmenter, deliver, corrector=segmenter):
        until(lambda: here.states() == ["delivered"])
        (job,) = list_jobs(here.client)
        instance = correct(here, job)
        (job_folder(here.settings.data, job.job_id).edits / f"{instance}.dcm").write_bytes(b"damaged")
        replace(here, job, instance)
        until(lambda: "not sent: " in told_replacements(here.client, job.job_id)[instance])
    assert [WITHDRAWN_AT in each for each in sent] == [False]
    assert here.states() == ["delivered"]
