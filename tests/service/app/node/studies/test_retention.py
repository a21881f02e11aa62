"""Old finished studies are removed; undelivered and new ones stay."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from dbos import DBOSClient

from app.node.queue.database import open_connection, prepare_database
from app.node.queue.job import EPOCH_S, job_folder, priority
from app.node.queue.jobs.job_actions import cancel
from app.node.queue.jobs.job_list import list_jobs
from app.node.queue.jobs.job_state import JobState
from app.node.receive.watched_folder import WatchedFolder
from app.node.settings.configuration import NodeSettings, RoutingRule
from app.node.storage.inbox import Inbox
from app.node.studies.dispatcher import Dispatcher
from app.node.studies.retention import forget, is_done, remove
from operators.errors import UsageError
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import setting
from tests.support.node.node_cases import node_settings

AFFINE = phantoms.axial_affine()
HU = phantoms.position_volume((16, 16, 4), AFFINE)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
STUDY = f"{phantoms.UID_ROOT}.1"
SEG, COMPREHENSIVE_SR = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.88.33"


class Node:
    """Inbox, queue and dispatcher without the processes that work the queue off."""

    def __init__(self, root: Path, **given: Any) -> None:
        self.settings: NodeSettings = node_settings(root / "data", **given)
        prepare_database(self.settings)
        self.client: DBOSClient = open_connection(self.settings)
        self.watch = root / "watch"
        self.folder = WatchedFolder(self.watch, Inbox(self.settings.data, "watch"))
        self.again()

    def again(self) -> None:
        """As after a restart."""
        self.dispatcher = Dispatcher(self.settings, self.client, lambda: NOW)

    def receive(self, keep: range = range(4), study: int = 1) -> None:
        phantoms.write_ct(self.watch, HU, AFFINE, keep=keep, study=study)
        self.folder.look()
        assert self.folder.look() == len(keep)

    def states(self) -> list[str]:
        return [job.state for job in list_jobs(self.client)]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path, quiet_s=30)


def test_a_quiet_study_is_queued_once_with_all_its_instances(node: Node) -> None:
    node.receive()
    assert [node.dispatcher.tick(now_s) for now_s in (0, 29, 30, 31, 1000)] == [0, 0, 1, 0, 0]
    (job,) = list_jobs(node.client)
    assert (job.study_instance_uid, job.state) == (STUDY, "queued")
    taken = job_folder(node.settings.data, job.job_id).input
    assert len(list(taken.rglob("*.dcm"))) == 4


def test_a_restart_queues_nothing_twice(node: Node) -> None:
    node.receive()
    node.dispatcher.tick(0)
    node.dispatcher.tick(30)
    node.again()
    assert [node.dispatcher.tick(now_s) for now_s in (0, 100)] == [0, 0]
    assert node.states() == ["queued"]


def test_late_slices_supersede_the_job_that_has_not_begun(node: Node) -> None:
    node.receive(range(3))
    node.dispatcher.tick(0)
    node.dispatcher.tick(30)
    node.receive(range(3, 4))
    node.dispatcher.tick(31)
    assert node.dispatcher.tick(61) == 1
    assert node.states() == ["superseded", "queued"]


def test_a_study_waits_for_an_instance_that_is_not_durable_yet(tmp_path: Path) -> None:
    node = Node(tmp_path, rules=(RoutingRule(modality="CT", complete_images=4),))
    node.receive()
    (path,) = [path for path in (node.settings.data / "inbox").rglob("*.dcm")][:1]
    killed = node.settings.data / "incoming" / "machine-listener-1"
    killed.mkdir()
    pending = f"{STUDY}_{path.parent.name}_{path.name}_{path.stat().st_size}_0123456789abcdef.whole"
    os.link(path, killed / pending)
    assert [node.dispatcher.tick(now_s) for now_s in (0, 5000)] == [0, 0]
    assert Inbox(node.settings.data).recover() == 1
    assert node.dispatcher.tick(5001) == 1


def test_a_count_queues_at_once(tmp_path: Path) -> None:
    node = Node(tmp_path, rules=(RoutingRule(modality="CT", complete_images=4),))
    node.receive()
    assert node.dispatcher.tick(0) == 1


def test_urgent_studies_go_first_and_old_ones_are_not_starved() -> None:
    noon = EPOCH_S + 86400
    assert priority(noon, "urgent") < priority(noon - 3600, "normal") < priority(noon, "normal")
    assert priority(noon, "normal") < priority(noon, "low")
    assert priority(noon - 3 * 3600, "normal") < priority(noon, "urgent")
    assert 1 <= priority(0, "urgent") < priority(3.8e9, "low") < 2**31


def test_removal_takes_everything_of_a_study(node: Node) -> None:
    node.receive()
    node.dispatcher.tick(0)
    node.dispatcher.tick(30)
    assert remove(node.settings, node.client, list_jobs(node.client))
    assert node.states() == []
    left = [path for path in node.settings.data.rglob("*.dcm")]
    assert left == []
    node.dispatcher.tick(60)
    node.receive()
    node.dispatcher.tick(61)
    assert node.dispatcher.tick(91) == 1


def test_a_person_can_have_a_study_forgotten_that_has_ended(node: Node) -> None:
    node.receive()
    node.dispatcher.tick(0)
    node.dispatcher.tick(30)
    (job,) = list_jobs(node.client)
    conflict = node.settings.data / "conflicts" / STUDY / "1.2.3.abc.dcm"
    conflict.parent.mkdir(parents=True)
    conflict.touch()
    with pytest.raises(UsageError, match="has not; cancel it first"):
        forget(node.settings, node.client, job.job_id)
    cancel(node.client, job.job_id)
    forget(node.settings, node.client, job.job_id)
    assert node.states() == []
    assert list(node.settings.data.rglob("*.dcm")) == []


def test_results_that_a_pacs_routes_back_make_no_new_job_and_go_with_their_study(node: Node) -> None:
    node.receive()
    node.dispatcher.tick(0)
    node.dispatcher.tick(30)
    edit = setting(Modality="SEG", SOPClassUID=SEG)
    phantoms.write_ct(node.watch, HU, AFFINE, keep=[0], series=9, edit=edit)
    node.folder.look()
    assert node.folder.look() == 1
    assert [node.dispatcher.tick(now_s) for now_s in (31, 100)] == [0, 0]
    assert remove(node.settings, node.client, list_jobs(node.client))
    assert list(node.settings.data.rglob("*.dcm")) == []


def test_a_study_of_nothing_but_derived_objects_has_a_job_that_says_so(node: Node) -> None:
    edit = setting(Modality="SR", SOPClassUID=COMPREHENSIVE_SR)
    phantoms.write_ct(node.watch, HU, AFFINE, keep=[0], edit=edit)
    node.folder.look()
    node.folder.look()
    assert [node.dispatcher.tick(now_s) for now_s in (0, 30)] == [0, 1]


def test_slices_that_came_just_before_the_removal_are_kept(node: Node) -> None:
    node.receive(range(3))
    node.dispatcher.tick(0)
    node.dispatcher.tick(30)
    node.receive(range(3, 4))
    assert not remove(node.settings, node.client, list_jobs(node.client))
    assert len(list((node.settings.data / "inbox").rglob("*.dcm"))) == 4
    assert node.states() == ["queued"]


@pytest.mark.parametrize(
    ("states", "done"),
    [
        (["delivered"], True), (["refused"], True), (["superseded", "delivered"], True),
        (["failed"], False), (["delivered", "failed"], False), (["delivering"], False), (["queued"], False),
    ],
)  # fmt: skip
def test_only_what_ended_well_is_done(states: list[str], done: bool) -> None:
    jobs = [JobState("1.2-a", state, completed_ms=5) for state in states]
    assert is_done(jobs, 6) is done
    assert not is_done(jobs, 5)


def test_a_watched_file_that_still_grows_is_left_alone(node: Node) -> None:
    (path,) = phantoms.write_ct(node.watch, HU, AFFINE, keep=[0])
    assert node.folder.look() == 0
    os.utime(path, ns=(1, 1))
    assert node.folder.look() == 0
    assert node.folder.look() == 1


def test_links_in_the_watched_folder_are_not_followed(node: Node, tmp_path: Path) -> None:
    (path,) = phantoms.write_ct(tmp_path / "other", HU, AFFINE, keep=[0])
    node.watch.mkdir()
    (node.watch / "link.dcm").symlink_to(path)
    node.folder.look()
    assert node.folder.look() == 0
