"""Races with the dispatcher: studies are removed, arrive again, or are seen by two dispatchers."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.node.queue import job as job_module
from app.node.queue.job import job_folder, take_in
from app.node.queue.jobs.job_actions import cancel
from app.node.queue.jobs.job_list import list_jobs
from app.node.service.supervisor import Node as Supervisor
from app.node.settings.configuration import RoutingRule
from app.node.storage.study_lock import moving_files
from app.node.studies import removal as removal_module
from app.node.studies.dispatcher import Dispatcher
from app.node.studies.retention import forget, remove
from app.settings import Settings
from tests.service.app.node.studies.test_retention import NOW, STUDY, Node
from tests.support.node.queue_cases import input_of
from tests.support.node.study_cases import jobs, quiet, sent


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path, quiet_s=30)


def test_a_study_that_is_deleted_and_sent_again_between_two_looks_has_a_new_job(node: Node) -> None:
    sent(node)
    assert quiet(node, 0) == 1
    cancel(node.client, jobs(node)[0].job_id)
    forget(node.settings, node.client, jobs(node)[0].job_id)
    sent(node)
    assert quiet(node, 100) == 1
    (job,) = jobs(node)
    assert job.state == "queued"
    assert len(list(job_folder(node.settings.data, job.job_id).input.rglob("*.dcm"))) == 4


def test_a_study_that_goes_between_look_and_queue_holds_up_no_other(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    for study in (1, 2, 3):
        sent(node, study=study)
    node.dispatcher.tick(0)
    link, gone = os.link, node.settings.data / "inbox" / f"{STUDY[:-1]}2"

    def vanishing(source: Any, target: Any) -> None:
        if gone.name in str(source):
            shutil.rmtree(gone, ignore_errors=True)
        link(source, target)

    monkeypatch.setattr(os, "link", vanishing)
    assert node.dispatcher.tick(30) == 2
    assert sorted(job.study_instance_uid[-1] for job in jobs(node)) == ["1", "3"]
    assert not (node.settings.data / "jobs" / f"{gone.name}").exists()
    monkeypatch.undo()
    assert [node.dispatcher.tick(now_s) for now_s in (31, 100)] == [0, 0]
    sent(node, study=2)
    assert quiet(node, 200) == 1


def test_a_study_that_cannot_be_linked_holds_up_no_other_and_is_tried_again(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    for study in (1, 2):
        sent(node, study=study)
    node.dispatcher.tick(0)
    link = os.link

    def full(source: Any, target: Any) -> None:
        if f"/{STUDY}/" in str(source):
            raise OSError(28, "No space left on device")
        link(source, target)

    monkeypatch.setattr(os, "link", full)
    assert [node.dispatcher.tick(now_s) for now_s in (30, 31)] == [1, 0]
    monkeypatch.undo()
    assert node.dispatcher.tick(32) == 1


def test_two_who_look_make_one_job_of_each_revision(node: Node) -> None:
    other = Dispatcher(node.settings, node.client, lambda: NOW)
    sent(node, keep=range(3))
    for dispatcher in (node.dispatcher, other):
        dispatcher.tick(0)
    assert [dispatcher.tick(30) for dispatcher in (node.dispatcher, other)] == [1, 0]
    sent(node, keep=[3])
    for dispatcher in (other, node.dispatcher):
        dispatcher.tick(31)
    assert [dispatcher.tick(61) for dispatcher in (other, node.dispatcher)] == [1, 0]
    assert [job.state for job in jobs(node)] == ["superseded", "queued"]
    rows = node.client.list_workflows(name="segment_study")
    assert [input_of(row)["revision"] for row in rows] == [1, 2]


def test_two_who_take_a_study_in_take_it_in_once(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one ends just before the first."""
    sent(node)
    names = tuple(node.dispatcher.folders.look()[STUDY].names)
    folder, study = job_folder(node.settings.data, "1.2-a"), node.settings.data / "inbox" / STUDY
    rename, turns = Path.rename, [True]

    def overtaken(path: Path, target: Path) -> Path:
        if turns.pop() if turns else False:
            take_in(folder, study, names)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", overtaken)
    take_in(folder, study, names)
    assert len(list(folder.root.rglob("*.dcm"))) == 4
    assert [path.name for path in folder.root.iterdir()] == ["in"]


def test_revisions_count_again_after_a_removal(node: Node) -> None:
    for keep in (range(3), [3]):
        sent(node, keep=keep)
        quiet(node, 0 if keep == range(3) else 100)
    assert remove(node.settings, node.client, list_jobs(node.client))
    sent(node)
    assert quiet(node, 200) == 1
    (row,) = node.client.list_workflows(name="segment_study")
    assert input_of(row)["revision"] == 1


def test_a_change_within_the_same_tick_of_the_file_system_is_seen(node: Node) -> None:
    """A folder's time does not tell the second of two changes within a few milliseconds."""
    sent(node, keep=range(3))
    series = node.settings.data / "inbox" / STUDY / f"{STUDY}.1"
    node.dispatcher.folders.look()
    time_ns = series.stat().st_mtime_ns
    sent(node, keep=[3])
    os.utime(series, ns=(time_ns, time_ns))
    assert len(node.dispatcher.folders.look()[STUDY].names) == 4


def in_thread(work: Callable[[], object]) -> threading.Thread:
    """Has begun it, and given it time to come as far as it can."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(0.5)
    return thread


def test_no_study_is_made_a_job_while_files_of_a_study_are_moved(node: Node) -> None:
    sent(node)
    node.dispatcher.tick(0)
    with moving_files(node.settings.data):
        looking = in_thread(lambda: node.dispatcher.tick(30))
        assert (looking.is_alive(), jobs(node)) == (True, [])
    looking.join()
    assert [job.state for job in jobs(node)] == ["queued"]


def test_a_late_image_that_is_made_a_job_within_a_removal_keeps_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the judgement that nothing new came, and the decision what goes."""
    node = Node(tmp_path, rules=(RoutingRule(complete_images=1),))
    sent(node, keep=range(3))
    assert node.dispatcher.tick(0) == 1
    cancel(node.client, jobs(node)[0].job_id)
    folders, looking = job_module.folders_of_study, list[threading.Thread]()

    def overtaken(data: Path, study: str) -> tuple[str, ...]:
        sent(node, keep=[3])
        looking.append(in_thread(lambda: node.dispatcher.tick(100)))
        return folders(data, study)

    monkeypatch.setattr(removal_module, "folders_of_study", overtaken)
    forget(node.settings, node.client, jobs(node)[0].job_id)
    looking[0].join()
    (job,) = jobs(node)
    assert job.state == "queued"
    assert len(list(job_folder(node.settings.data, job.job_id).input.rglob("*.dcm"))) == 1


def test_looks_go_on_while_a_sweep_waits(node: Node) -> None:
    loops = {loop.name: loop for loop in Supervisor(Settings(node=node.settings)).loops}
    turns: list[object] = []
    assert loops["dispatcher"].turn() == 0
    (node.settings.data / "trash").mkdir(exist_ok=True)
    with moving_files(node.settings.data):
        sweeping = in_thread(loops["retention"].turn)
        sent(node)
        looking = in_thread(lambda: turns.append(loops["dispatcher"].turn()))
        assert (sweeping.is_alive(), looking.is_alive(), turns) == (True, False, [0])
    sweeping.join()
