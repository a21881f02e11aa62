"""Instances that arrive again with other patient data: a correction is applied, or a person is asked."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pydicom
import pytest
from pydicom.dataset import Dataset

from app.node.queue.decisions import CONFLICT, rows
from app.node.queue.job import job_folder
from app.node.queue.jobs.job_actions import cancel, settle
from app.node.queue.workflow import NOTICE, Attempt
from app.node.send.notices import NOTICES_QUEUE
from app.node.send.sender import attempt
from app.node.settings.peer import Peer
from app.node.storage.inbox import InboxOutcome
from app.node.versions import instance_versions
from operators.errors import UsageError
from tests.service.app.node.studies.test_retention import STUDY, Node
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import setting
from tests.support.faults.crashes import Crash, cut_off
from tests.support.node.node_processes import until
from tests.support.node.queue_cases import DELIVERED, ScriptedSegmenter, input_of, worked_off
from tests.support.node.study_cases import (
    audited,
    contents,
    jobs,
    patients,
    patients_of_job,
    quiet,
    sent,
)

EXPLICIT = "1.2.840.10008.1.2.1"
PACS = Peer(name="pacs", ae_title="PACS", host="127.0.0.1", receives=True)
RIGHT = setting(PatientID="RIGHT", PatientName="Right^Patient")
THIRD = setting(PatientID="THIRD", PatientName="Third^Patient")


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path, quiet_s=30, forced_s=600, peers=(PACS,), notice_url="http://127.0.0.1:1/hook")


def states(node: Node) -> list[tuple[str, str]]:
    return [(job.state, job.code) for job in jobs(node)]


def inbox(node: Node) -> Path:
    return node.settings.data / "inbox" / STUDY


def notices(node: Node) -> list[str]:
    found = node.client.list_workflows(name=NOTICE)
    return sorted(input_of(row)["event"] for row in found)


def test_a_correction_of_a_queued_study_supersedes_its_job(node: Node) -> None:
    sent(node)
    assert quiet(node, 0) == 1
    assert sent(node, RIGHT) == [InboxOutcome.CONFLICT] * 4
    assert quiet(node, 100) == 1
    old, new = jobs(node)
    assert (old.state, old.code, new.state) == ("superseded", "former_patient_data", "queued")
    assert old.sentence.startswith("PatientName, PatientID were corrected before a result was delivered")
    assert old.sentence.endswith(f"{new.job_id} replaces it")
    assert patients_of_job(node, new.job_id) == patients(inbox(node)) == ["RIGHT"]
    assert len(contents(node)) == 8
    assert not (node.settings.data / "conflicts" / STUDY).exists()
    assert audited(node, "110103") == [STUDY]
    assert notices(node) == ["correction"]
    assert (quiet(node, 1000), len(jobs(node))) == (0, 2)
    node.again()
    assert (quiet(node, 2000), len(jobs(node))) == (0, 2)


def test_results_that_were_delivered_are_said_to_stand_under_the_former_data(node: Node) -> None:
    sent(node)
    quiet(node, 0)
    told: list[tuple[str, int]] = []

    class Segmenter(ScriptedSegmenter):
        def decide(self, values: dict[str, Any]) -> dict[str, Any]:
            told.append((values["job_id"], values["revision"]))
            return super().decide(values)

    with worked_off(node.settings, Segmenter(), lambda _: DELIVERED):
        until(lambda: states(node) == [("delivered", "")])
        sent(node, RIGHT)
        quiet(node, 100)
        until(lambda: states(node) == [("delivered", "former_patient_data"), ("delivered", "")])
    old, new = jobs(node)
    assert old.sentence == (
        f"its results at pacs have the former PatientName, PatientID; {new.job_id} replaces it"
    )
    assert told == [(old.job_id, 1), (new.job_id, 2)]
    assert "RIGHT" not in str(jobs(node)) + (node.settings.data / "audit.xml").read_text()


def test_what_was_not_sent_yet_is_not_sent_after_a_correction(node: Node) -> None:
    """A delivery that waits for its PACS meanwhile."""
    sent(node)
    quiet(node, 0)
    tries: list[str] = []

    def tried(delivery: dict[str, Any]) -> Attempt:
        tries.append(delivery["job_id"])
        if job_folder(node.settings.data, delivery["job_id"]).former.exists():
            return attempt(delivery, node.settings, node.dispatcher.trail)
        return DELIVERED if len(jobs(node)) > 1 else Attempt("transient", "unreachable", "down")

    with worked_off(node.settings, ScriptedSegmenter(), tried):
        until(lambda: tries)
        sent(node, RIGHT)
        quiet(node, 100)
        until(lambda: [job.state for job in jobs(node)] == ["superseded", "delivered"])
    old, new = jobs(node)
    assert (old.code, dict(old.deliveries)) == ("former_patient_data", {"pacs": "cancelled"})
    assert tries[-1] == new.job_id or tries[-2:] == [new.job_id, old.job_id]


@pytest.mark.parametrize(
    "edit",
    [
        setting(PatientBirthDate="19700101"), setting(PatientSex="F"), setting(AccessionNumber="7"),
        setting(Laterality="R"), setting(SeriesDescription="pelvis"), setting(StudyDate="20260102"),
        setting(IssuerOfPatientID="hospital"), setting(BodyPartExamined="KNEE"),
    ],
)  # fmt: skip
def test_whatever_results_carry_is_a_correction(node: Node, edit: phantoms.Edit) -> None:
    sent(node)
    quiet(node, 0)
    sent(node, edit)
    assert quiet(node, 100) == 1
    assert [state for state, _ in states(node)] == ["superseded", "queued"]


@pytest.mark.parametrize(
    "edit",
    [
        setting(InstitutionName="moved"), setting(WindowCenter=40, WindowWidth=400),
        setting(InstanceCreationDate="20260102"), setting(ImageComments="seen"),
        setting(SpecificCharacterSet="ISO_IR 144"), None,
    ],
    ids=["institution", "window", "creation", "comment", "character set", "transfer syntax"],
)  # fmt: skip
def test_what_makes_no_difference_to_a_result_makes_no_job(node: Node, edit: phantoms.Edit | None) -> None:
    sent(node)
    quiet(node, 0)
    deflated = "1.2.840.10008.1.2.1.99"
    outcomes = sent(node, edit, syntax=EXPLICIT if edit else deflated)
    assert outcomes == [InboxOutcome.CONFLICT] * 4
    assert quiet(node, 100) == 0
    assert states(node) == [("queued", "")]
    assert len(contents(node)) == 8


def darker(dataset: Dataset, _: int) -> None:
    dataset.PixelData = bytes([255]) * len(dataset.PixelData)


def brighter(dataset: Dataset, _: int) -> None:
    dataset.PixelData = bytes(len(dataset.PixelData))


@pytest.mark.parametrize(
    ("edit", "word"),
    [
        (brighter, "PixelData"), (setting(PixelSpacing=[1, 1]), "PixelSpacing"),
        (setting(RescaleIntercept=0), "RescaleIntercept"),
        (setting(GantryDetectorTilt=9), "GantryDetectorTilt"),
        (setting(FrameOfReferenceUID="1.2.3"), "FrameOfReferenceUID"), (setting(Modality="MR"), "Modality"),
        (setting(PixelPaddingValue=0), "PixelPaddingValue"),
    ],
)  # fmt: skip
def test_another_image_under_the_same_uid_is_put_to_a_person(
    node: Node, edit: phantoms.Edit, word: str
) -> None:
    sent(node)
    quiet(node, 0)
    sent(node, edit, keep=[2])
    assert quiet(node, 100) == 0
    job, conflict = jobs(node)
    assert (job.state, conflict.state, conflict.code) == ("queued", "conflict", "other_image")
    assert word in conflict.sentence
    assert conflict.study_instance_uid == STUDY
    assert notices(node) == ["conflict"]
    node.again()
    assert (quiet(node, 1000), len(jobs(node)), notices(node)) == (0, 2, ["conflict"])


def conflict_of(node: Node) -> str:
    (found,) = (job.job_id for job in jobs(node) if job.state == "conflict")
    return found


def test_a_person_uses_the_later_versions(node: Node) -> None:
    sent(node)
    quiet(node, 0)
    sent(node, brighter, keep=[2])
    quiet(node, 100)
    settle(node.client, conflict_of(node), "accept")
    assert jobs(node)[1].state == "accepted"
    node.again()
    assert quiet(node, 200) == 1
    assert [job.state for job in jobs(node)] == ["superseded", "queued", "accepted"]
    assert len(contents(node)) == 5
    assert not list((node.settings.data / "conflicts").rglob("*.dcm"))


def test_a_person_keeps_the_former_versions_and_is_not_asked_again(node: Node) -> None:
    sent(node)
    quiet(node, 0)
    sent(node, brighter, keep=[2])
    quiet(node, 100)
    conflict = conflict_of(node)
    settle(node.client, conflict, "dismiss")
    with pytest.raises(UsageError, match="waits for a decision"):
        settle(node.client, conflict, "accept")
    assert quiet(node, 200) == 0
    sent(node, brighter, keep=[2])
    node.again()
    assert quiet(node, 300) == 0
    assert states(node) == [("queued", ""), ("dismissed", "other_image")]
    assert (len(contents(node)), patients(inbox(node))) == (5, ["PHANTOM"])


def test_only_conflicts_are_decided_and_they_are_not_cancelled(node: Node) -> None:
    sent(node)
    quiet(node, 0)
    with pytest.raises(UsageError, match="expected a conflict"):
        settle(node.client, jobs(node)[0].job_id, "accept")
    sent(node, brighter, keep=[2])
    quiet(node, 100)
    with pytest.raises(UsageError, match="osteon jobs accept"):
        cancel(node.client, conflict_of(node))


def test_an_incomplete_correction_is_seen_cannot_be_accepted_and_gives_way_to_a_whole_one(node: Node) -> None:
    sent(node)
    quiet(node, 0)
    sent(node, RIGHT, keep=[0, 1])
    assert quiet(node, 100) == 0
    with pytest.raises(UsageError, match="send the others too, or dismiss these"):
        settle(node.client, conflict_of(node), "accept")
    assert states(node) == [("queued", ""), ("conflict", "incomplete_correction")]
    sent(node, RIGHT, keep=[2, 3])
    assert quiet(node, 800) == 1
    assert states(node) == [
        ("superseded", "former_patient_data"),
        ("queued", ""),
        ("superseded", "incomplete_correction"),
    ]
    assert patients(inbox(node)) == ["RIGHT"]


def test_late_slices_with_the_corrected_data_complete_a_correction(node: Node) -> None:
    """The patient was corrected while the study was sent: its last slices came with the new name at once."""
    sent(node, keep=[0, 1])
    quiet(node, 0)
    sent(node, RIGHT, keep=[2, 3])
    sent(node, RIGHT, keep=[0, 1])
    assert quiet(node, 100) == 1
    assert patients(inbox(node)) == ["RIGHT"]
    assert patients_of_job(node, jobs(node)[-1].job_id) == ["RIGHT"]


def test_a_correction_of_one_series_waits_for_the_other_one(node: Node) -> None:
    sent(node)
    sent(node, series=2)
    quiet(node, 0)
    sent(node, RIGHT)
    assert quiet(node, 100) == 0
    sent(node, RIGHT, series=2)
    assert quiet(node, 200) == 1
    assert patients(inbox(node)) == ["RIGHT"]


def test_a_correction_before_the_first_job_is_in_it(node: Node) -> None:
    sent(node)
    node.dispatcher.tick(0)
    sent(node, RIGHT)
    assert sum(node.dispatcher.tick(now_s) for now_s in (29, 31, 58)) == 0
    assert quiet(node, 60) == 1
    (job,) = jobs(node)
    assert patients_of_job(node, job.job_id) == ["RIGHT"]


def test_a_correction_is_corrected(node: Node) -> None:
    for number, edit in enumerate((None, RIGHT, THIRD)):
        sent(node, edit)
        assert quiet(node, 1000 * number) == 1
    first, second, third = jobs(node)
    assert patients_of_job(node, third.job_id) == patients(inbox(node)) == ["THIRD"]
    assert third.job_id in second.sentence
    assert third.job_id in first.sentence


def test_a_version_that_was_corrected_comes_again(node: Node) -> None:
    """Nobody can tell whether a correction was taken back, or an old copy was sent."""
    sent(node)
    quiet(node, 0)
    sent(node, RIGHT)
    quiet(node, 100)
    assert sent(node) == [InboxOutcome.CONFLICT] * 4
    assert quiet(node, 200) == 0
    assert states(node)[-1] == ("conflict", "former_version")
    assert patients(inbox(node)) == ["RIGHT"]
    settle(node.client, conflict_of(node), "accept")
    assert quiet(node, 300) == 1
    assert patients(inbox(node)) == ["PHANTOM"]
    assert len(contents(node)) == 8


def test_three_versions_are_put_to_a_person(node: Node) -> None:
    sent(node)
    quiet(node, 0)
    sent(node, RIGHT)
    sent(node, THIRD)
    assert quiet(node, 100) == 0
    assert states(node) == [("queued", ""), *[("conflict", "several_versions")] * 2]
    found = node.client.list_workflows(name=CONFLICT)
    by_patient = {patients_of(node, input_of(row)["versions"]): row.workflow_id for row in found}
    settle(node.client, by_patient["THIRD"], "accept")
    assert quiet(node, 200) == 1
    assert patients(inbox(node)) == ["THIRD"]
    assert sorted(state for state, _ in states(node)) == ["accepted", "queued", "superseded", "superseded"]
    assert len(contents(node)) == 12


def test_what_came_after_a_question_is_not_decided_with_it(node: Node) -> None:
    """Also where it is of the same instances, and came before the decision was carried out."""
    sent(node)
    quiet(node, 0)
    sent(node, brighter, keep=[1, 2])
    quiet(node, 100)
    question = conflict_of(node)
    sent(node, darker, keep=[2])
    settle(node.client, question, "accept")
    assert quiet(node, 200) == 1
    assert jobs(node)[-2].state == "accepted"
    assert jobs(node)[-1].state == "conflict"
    (left,) = (node.settings.data / "conflicts" / STUDY).iterdir()
    asked = {row.conflict_id: row.versions for row in rows(node.client)}
    assert asked[jobs(node)[-1].job_id] == (left.name,)
    assert left.name not in asked[question]
    assert len(contents(node)) == 7


@pytest.mark.parametrize("number", range(0, 20, 2))
def test_a_correction_that_a_crash_cuts_off_is_in_the_audit_trail(node: Node, number: int) -> None:
    sent(node)
    quiet(node, 0)
    sent(node, RIGHT)
    assert cut_off(number, lambda: quiet(node, 100))
    node.again()
    quiet(node, 200)
    assert patients(inbox(node)) == ["RIGHT"]
    assert audited(node, "110103") == [STUDY]


def test_a_crash_behind_the_audit_of_a_correction_has_it_said_twice(node: Node) -> None:
    sent(node)
    quiet(node, 0)
    sent(node, RIGHT)
    with patch.object(instance_versions, "count_corrections", side_effect=Crash), suppress(Crash):
        quiet(node, 100)
    node.again()
    quiet(node, 200)
    assert audited(node, "110103") == [STUDY, STUDY]


def patients_of(node: Node, versions: list[str]) -> str:
    folder = node.settings.data / "conflicts" / STUDY
    (found,) = {str(pydicom.dcmread(folder / name).PatientID) for name in versions}
    return found


def test_a_study_whose_images_come_again_in_another_one_is_named(node: Node) -> None:
    sent(node)
    quiet(node, 0)
    sent(node, lambda dataset, _: setattr(dataset, "StudyInstanceUID", "1.2.3"))
    node.again()
    assert quiet(node, 100) == 1
    old, new = jobs(node)
    cancel(node.client, old.job_id)
    assert new.study_instance_uid == "1.2.3"
    assert jobs(node)[0].sentence.endswith("4 of its instances were sent again in study 1.2.3")
    assert notices(node) == ["moved"]


def unreadable(path: Path) -> None:
    path.write_bytes(b"damaged")


def emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [unreadable, emptied])
def test_a_version_that_has_become_unreadable_holds_up_nothing(
    node: Node, damage: Callable[[Path], None]
) -> None:
    sent(node)
    quiet(node, 0)
    sent(node, brighter, keep=[2])
    (path,) = (node.settings.data / "conflicts" / STUDY).iterdir()
    damage(path)
    sent(node, study=2)
    assert quiet(node, 100) == 1
    assert ("conflict", "unreadable_version") in states(node)


def test_without_an_address_no_notice_is_queued(tmp_path: Path) -> None:
    node = Node(tmp_path, quiet_s=30)
    sent(node)
    quiet(node, 0)
    sent(node, RIGHT)
    quiet(node, 100)
    assert node.client.list_workflows(queue_name=NOTICES_QUEUE) == []


def in_series(uid: str, edit: phantoms.Edit | None = None) -> phantoms.Edit:
    """The same instances with another series' UID."""

    def changed(dataset: Dataset, k: int) -> None:
        dataset.SeriesInstanceUID = uid
        if edit:
            edit(dataset, k)

    return changed


def test_a_series_whose_uid_was_corrected_takes_the_place_of_the_former(node: Node) -> None:
    sent(node)
    quiet(node, 0)
    sent(node, in_series("1.2.3", RIGHT))
    assert quiet(node, 100) == 1
    old, new = jobs(node)
    assert (old.state, old.code) == ("superseded", "former_patient_data")
    assert old.sentence.startswith("SeriesInstanceUID were corrected")
    assert patients_of_job(node, new.job_id) == ["RIGHT"]
    assert len(contents(node)) == 8
    assert (quiet(node, 1000), len(jobs(node))) == (0, 2)
    node.again()
    assert (quiet(node, 2000), len(jobs(node))) == (0, 2)


def test_other_images_under_the_same_uids_in_another_series_are_segmented_beside_the_first(
    node: Node,
) -> None:
    sent(node)
    quiet(node, 0)
    sent(node, in_series("1.2.3", brighter))
    assert quiet(node, 100) == 1
    folder = job_folder(node.settings.data, jobs(node)[-1].job_id).input
    assert len(list(folder.rglob("*.dcm"))) == 8


def test_a_part_of_a_series_in_another_one_leaves_the_series_whole(node: Node) -> None:
    sent(node)
    quiet(node, 0)
    sent(node, in_series("1.2.3"), keep=[0, 1])
    assert quiet(node, 100) == 1
    folder = job_folder(node.settings.data, jobs(node)[-1].job_id).input
    assert len(list(folder.rglob("*.dcm"))) == 6
