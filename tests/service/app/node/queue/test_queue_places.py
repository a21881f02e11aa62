"""A queued job can be held, released and put first, and the index of all jobs follows every change."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from app.node.queue.jobs.job_index import JobIndex
from app.node.queue.jobs.job_list import list_jobs
from app.node.queue.jobs.job_state import JobState
from app.node.queue.jobs.queue_places import QueuePlaces
from app.node.queue.workflow import Attempt
from app.node.studies.study_identity import StudyIdentities, identity_of
from app.node.studies.user_actions import ACTIONS, Acting, act
from operators.errors import UsageError
from tests.service.app.node.queue.test_jobs_command import long_pauses  # noqa: F401 (a fixture)
from tests.service.app.node.queue.test_queue import NOON, arrives, node
from tests.service.app.node.studies.test_retention import Node
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import setting
from tests.support.node.node_processes import until
from tests.support.node.queue_cases import DELIVERED, ScriptedSegmenter, worked_off


def acting(here: Node) -> Acting:
    return Acting(here.settings, here.client, "dr-who")


def jobs(here: Node) -> list[JobState]:
    return sorted(list_jobs(here.client, detailed=True), key=lambda job: (job.created_ms, job.job_id))


def number(job: JobState) -> int:
    return int(job.study_instance_uid.rpartition(".")[2])


def audited(here: Node) -> list[str]:
    """The kinds of all actions in the audit trail, in order."""
    lines = (here.settings.data / "audit.xml").read_text().splitlines()
    assert all('UserID="dr-who"' in line for line in lines if "99OSTEON" in line)
    return [line.partition('EventTypeCode csd-code="')[2].partition('"')[0] for line in lines]


def test_a_job_is_held_until_it_is_released_and_another_goes_first(tmp_path: Path) -> None:
    here, segmenter = node(tmp_path), ScriptedSegmenter()
    for study in (1, 2, 3):
        arrives(here, study, "pelvis", NOON)
    first, second, third = (job.job_id for job in jobs(here))
    act(acting(here), "hold", first)
    act(acting(here), "raise", third)
    held = jobs(here)[0]
    assert (held.state, held.code) == ("queued", "held")
    assert [name for name, action in ACTIONS.items() if action.applies(held)] == ["release", "cancel"]
    with worked_off(here.settings, segmenter, lambda _: DELIVERED):
        until(lambda: [job.state for job in jobs(here)] == ["queued", "delivered", "delivered"])
        act(acting(here), "release", first)
        until(lambda: jobs(here)[0].state == "delivered")
    assert [int(uid.rpartition(".")[2]) for uid in segmenter.studies] == [3, 2, 1]
    assert audited(here) == ["hold", "raise", "release"]
    assert second


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("hold", "is queued; this one is held"), ("raise", "is queued; this one is held"), ("retry", "failed")],
)
def test_a_held_job_refuses_what_does_not_apply(tmp_path: Path, name: str, sentence: str) -> None:
    here = node(tmp_path)
    arrives(here, 1, "pelvis", NOON)
    (job,) = jobs(here)
    act(acting(here), "hold", job.job_id)
    with pytest.raises(UsageError, match=sentence):
        act(acting(here), name, job.job_id)
    assert not ACTIONS[name].applies(jobs(here)[0])
    assert audited(here) == ["hold"]


def test_late_slices_supersede_a_held_job(tmp_path: Path) -> None:
    here = Node(tmp_path, quiet_s=30)
    for images, now_s in ((range(3), 0), (range(3, 4), 31)):
        here.receive(images)
        here.dispatcher.tick(now_s)
        here.dispatcher.tick(now_s + 30)
        if now_s == 0:
            act(acting(here), "hold", jobs(here)[0].job_id)
    assert here.states() == ["superseded", "queued"]


def test_a_held_job_can_be_cancelled_and_deleted(tmp_path: Path) -> None:
    here = node(tmp_path)
    arrives(here, 1, "pelvis", NOON)
    (job,) = jobs(here)
    for name in ("hold", "cancel", "delete"):
        assert act(acting(here), name, job.job_id)
    assert jobs(here) == []
    assert not list(here.settings.data.rglob("*.dcm"))


def index_of(here: Node) -> JobIndex:
    return JobIndex(here.client, QueuePlaces(here.settings).stamps)


@pytest.mark.usefixtures("long_pauses")
def test_the_index_says_what_the_list_says_after_every_change(tmp_path: Path) -> None:
    here, answers = node(tmp_path), [Attempt("transient", "unreachable", "no answer"), DELIVERED]
    index = index_of(here)

    def seen() -> list[JobState]:
        return list(index.look())

    assert seen() == []
    for study in (1, 2):
        arrives(here, study, "pelvis", NOON)
    assert seen() == jobs(here)
    (first, second), version = seen(), index.version
    assert (seen(), index.version) == ([first, second], version)
    act(acting(here), "hold", second.job_id)
    assert [job.code for job in seen()] == ["", "held"]
    with worked_off(here.settings, ScriptedSegmenter(), lambda _: answers.pop(0) if answers else DELIVERED):
        until(lambda: [each.state for each in seen()[0].destinations] == ["postponed"])
        assert "send-now" in [name for name, action in ACTIONS.items() if action.applies(seen()[0])]
        act(acting(here), "send-now", first.job_id)
        until(lambda: seen()[0].state == "delivered")
    assert seen() == jobs(here)
    act(acting(here), "delete", first.job_id)
    assert [number(job) for job in seen()] == [2]
    assert index.with_fingerprint(second.job_id.rpartition("-")[2]) == seen()[0]
    assert index.with_fingerprint("0" * 16) is None


def test_a_look_reads_only_the_jobs_that_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = node(tmp_path)
    for study in range(1, 6):
        arrives(here, study, "pelvis", NOON)
    later_s = time.time() + 60
    index = JobIndex(here.client, QueuePlaces(here.settings).stamps, time_of_day_s=lambda: later_s)
    read = list[Any]()
    index.fresh()

    def counted(client: Any, job_ids: Any = None, **given: Any) -> list[JobState]:
        read.append(job_ids)
        return list_jobs(client, job_ids, **given)

    monkeypatch.setattr("app.node.queue.jobs.job_index.list_jobs", counted)
    act(acting(here), "hold", index.jobs[2].job_id)
    assert [job.code for job in index.look()] == ["", "", "held", "", ""]
    assert read == [[index.jobs[2].job_id]]


def test_a_job_that_goes_right_after_it_changed_is_gone_from_the_index(tmp_path: Path) -> None:
    here, now_s = node(tmp_path), time.time()
    for study in (1, 2):
        arrives(here, study, "pelvis", NOON)
    index = JobIndex(here.client, QueuePlaces(here.settings).stamps, time_of_day_s=lambda: now_s + 60)
    first, _ = jobs(here)
    assert QueuePlaces(here.settings, lambda: now_s + 60).hold(first.job_id)
    assert [number(job) for job in index.fresh()] == [1, 2]
    act(acting(here), "cancel", first.job_id)
    act(acting(here), "delete", first.job_id)
    assert [number(job) for job in index.look()] == [2]


def test_accession_and_patient_are_read_from_the_files_and_forgotten_with_the_job(tmp_path: Path) -> None:
    here = node(tmp_path)
    edit = setting(StudyDescription="pelvis", AccessionNumber="A-77", PatientID="P 5")
    phantoms.write_ct(
        here.watch,
        phantoms.position_volume((16, 16, 4), phantoms.axial_affine()),
        phantoms.axial_affine(),
        study=1,
        keep=[0],
        edit=edit,
    )
    here.folder.look()
    here.folder.look()
    here.dispatcher.tick(0)
    (job,) = jobs(here)
    found = identity_of(here.settings.data, job.job_id)
    assert (found.accession, found.patient_id) == ("A-77", "P 5")
    identities = StudyIdentities(here.settings.data)
    assert identities.keep([job.job_id], 0) == 1
    assert identities.of(job.job_id) == found
    assert identities.keep([job.job_id], 0) == 0
    identities.keep([], 1)
    assert identities.known == {}
