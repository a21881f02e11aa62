"""A study is removed only after a job has had all of it, and then completely."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from dbos import DBOSClient, EnqueueOptions

from app.node.queue.job import job_folder
from app.node.queue.jobs.job_actions import cancel, retry
from app.node.queue.jobs.job_list import list_jobs
from app.node.queue.jobs.job_state import JobState
from app.node.queue.workflow import NOTICE
from app.node.send.notices import Notice, announce
from app.node.studies.retention import forget, remove, sweep
from app.node.versions import instance_versions
from operators.errors import UsageError
from tests.service.app.node.queue.test_corrections import RIGHT, in_series
from tests.service.app.node.studies.test_retention import STUDY, Node
from tests.support.faults.crashes import Crash
from tests.support.node.node_processes import until
from tests.support.node.queue_cases import ScriptedSegmenter, worked_off
from tests.support.node.study_cases import audited, contents, jobs, patients, patients_of_job, quiet, sent

CENTURY_MS = 100 * 365 * 86400 * 1000
Removal = Callable[[Node], object]


def swept(node: Node) -> object:
    return sweep(node.settings, node.client, CENTURY_MS)


def deleted(node: Node) -> None:
    with suppress(UsageError):
        forget(node.settings, node.client, list_jobs(node.client)[0].job_id)


def instances(node: Node) -> list[Path]:
    return list(node.settings.data.rglob("*.dcm"))


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path, quiet_s=0, retention_s=0)


def cancelled(node: Node) -> None:
    for job in jobs(node):
        cancel(node.client, job.job_id)


@pytest.mark.parametrize("removal", [swept, deleted])
def test_a_correction_that_has_no_job_yet_is_not_removed(node: Node, removal: Removal) -> None:
    sent(node)
    quiet(node, 0)
    cancelled(node)
    sent(node, RIGHT)
    now_s = 100
    while patients(node.settings.data / "inbox") != ["RIGHT"]:
        assert node.dispatcher.tick(now_s) == 0
        now_s += 1
    removal(node)
    assert len(contents(node)) == 8
    assert quiet(node, 1000) == 1
    assert patients_of_job(node, jobs(node)[-1].job_id) == ["RIGHT"]


@pytest.mark.parametrize("removal", [swept, deleted])
@pytest.mark.parametrize("step", ["keep", "bring_in"])
def test_a_correction_that_was_cut_off_is_not_removed(node: Node, step: str, removal: Removal) -> None:
    sent(node)
    quiet(node, 0)
    cancelled(node)
    sent(node, RIGHT)
    with patch.object(instance_versions, step, side_effect=Crash), suppress(Crash):
        quiet(node, 10)
    if step == "bring_in":  # as after the last file
        versions = node.settings.data / "conflicts" / STUDY
        for path in sorted(versions.iterdir()):
            final = node.settings.data / "inbox" / STUDY / f"{STUDY}.1" / f"{path.name[:-21]}.dcm"
            assert final.exists()
            path.replace(final)
        versions.rmdir()
    removal(node)
    node.again()
    assert quiet(node, 1000) == 1
    assert len(contents(node)) == 8
    assert patients_of_job(node, jobs(node)[-1].job_id) == ["RIGHT"]


@pytest.mark.parametrize("removal", [swept, deleted])
def test_a_study_goes_whose_series_moved_before_its_first_job(node: Node, removal: Removal) -> None:
    sent(node)
    sent(node, in_series("1.2.3"))
    assert quiet(node, 0) == 1
    (job,) = jobs(node)
    assert len(list(job_folder(node.settings.data, job.job_id).input.rglob("*.dcm"))) == 4
    cancelled(node)
    removal(node)
    assert (instances(node), jobs(node)) == ([], [])


def test_an_image_that_comes_to_a_series_that_moved_is_news(node: Node) -> None:
    sent(node, keep=range(3))
    sent(node, in_series("1.2.3"), keep=range(3))
    assert quiet(node, 0) == 1
    cancelled(node)
    sent(node, keep=[3])
    assert swept(node) == 0
    assert quiet(node, 100) == 1
    assert len(list(job_folder(node.settings.data, jobs(node)[-1].job_id).input.rglob("*.dcm"))) == 7


def test_folders_of_jobs_that_a_crash_kept_from_the_queue_go_with_their_study(node: Node) -> None:
    sent(node, keep=range(3))
    with patch.object(DBOSClient, "enqueue", side_effect=Crash), suppress(Crash):
        quiet(node, 0)
    node.again()
    sent(node, keep=[3])
    assert quiet(node, 10) == 1
    assert len(list((node.settings.data / "jobs").iterdir())) == 2
    others = ("jobs", f"{STUDY}.1-{'0' * 16}"), ("jobs", f"{STUDY}-notes")
    for names in others:
        (node.settings.data.joinpath(*names)).mkdir()
    cancelled(node)
    assert swept(node) == 1
    assert instances(node) == []
    assert sorted(path.name for path in (node.settings.data / "jobs").iterdir()) == sorted(
        name for _, name in others
    )


def test_a_removal_that_was_decided_spares_the_job_of_a_study_that_came_anew(node: Node) -> None:
    sent(node, keep=range(3))
    quiet(node, 0)
    cancelled(node)
    with patch.object(DBOSClient, "delete_workflows", side_effect=Crash), suppress(Crash):
        remove(node.settings, node.client, list_jobs(node.client))
    sent(node)
    later = node.settings.data / "jobs" / f"{STUDY}-{'0' * 16}" / "in"
    shutil.copytree(node.settings.data / "inbox" / STUDY, later)
    node.again()
    assert len(list(later.rglob("*.dcm"))) == 4


def test_what_is_told_of_a_study_is_told_again_until_it_has_a_job(tmp_path: Path) -> None:
    """Images that are in another study too: it fails to be said at the first look."""
    node = Node(tmp_path, quiet_s=0, notice_url="http://127.0.0.1:1/hook")
    sent(node)
    quiet(node, 0)
    sent(node, lambda dataset, _: setattr(dataset, "StudyInstanceUID", "1.2.3"))
    failure = patch.object(DBOSClient, "update_workflow_attributes", side_effect=OSError(5, "failed"))
    with failure:
        node.dispatcher.tick(100)
        node.dispatcher.tick(101)
    assert quiet(node, 1000) == 1
    cancel(node.client, jobs(node)[0].job_id)
    assert jobs(node)[0].sentence.endswith("4 of its instances were sent again in study 1.2.3")


def test_a_notice_is_queued_before_what_it_tells_of(tmp_path: Path) -> None:
    node = Node(tmp_path, quiet_s=0, notice_url="http://127.0.0.1:1/hook")
    sent(node)
    quiet(node, 0)
    sent(node, RIGHT)
    enqueue, names = DBOSClient.enqueue, []

    def noted(client: DBOSClient, options: EnqueueOptions, *values: Any) -> object:
        names.append(options["workflow_name"])
        return enqueue(client, options, *values)

    with patch.object(DBOSClient, "enqueue", noted):
        assert quiet(node, 100) == 1
        sent(node, keep=[0])
        quiet(node, 200)
    assert names == ["send_notice", "segment_study", "send_notice", "decide_conflict"]


@pytest.mark.parametrize("removal", [swept, deleted])
def test_a_removal_that_a_crash_cuts_off_is_in_the_audit_trail(node: Node, removal: Removal) -> None:
    sent(node)
    quiet(node, 0)
    cancelled(node)
    unlink = Path.unlink

    def crashing(path: Path, missing_ok: bool = False) -> None:
        if path.parent.name == "trash":
            raise Crash
        unlink(path, missing_ok)

    cut_offs = (
        patch.object(DBOSClient, "delete_workflows", side_effect=Crash),
        patch.object(Path, "unlink", crashing),
    )
    for cut_off in cut_offs:
        with cut_off, suppress(Crash):
            removal(node) if list_jobs(node.client) else node.again()
    node.again()
    assert instances(node) == []
    # The second crash came behind the message: rather twice than never
    assert audited(node, "110105") == [STUDY, STUDY]


def test_a_failed_job_is_told_of_once_however_old_the_notice_is(tmp_path: Path) -> None:
    node = Node(tmp_path, quiet_s=0, retention_s=0, notice_url="http://127.0.0.1:1/hook")
    sent(node)
    quiet(node, 0)
    with worked_off(
        node.settings, ScriptedSegmenter(lambda: {"state": "failed", "code": "defect", "sentence": "no"})
    ):
        until(lambda: node.states() == ["failed"])
    swept(node)
    (notice,) = node.client.list_workflows(name=NOTICE)
    end(node, notice.workflow_id)
    for _ in range(2):
        swept(node)
        (row,) = node.client.list_workflows(name=NOTICE)
        assert (row.workflow_id, row.status) == (notice.workflow_id, "SUCCESS")
    deleted(node)
    assert node.client.list_workflows(name=NOTICE) == []


def test_a_notice_of_a_job_that_never_came_goes_when_it_is_old(tmp_path: Path) -> None:
    node = Node(tmp_path, retention_s=0, notice_url="http://127.0.0.1:1/hook")
    announce(node.settings, node.client, Notice("correction", JobState("1.2-abc", "queued")))
    end(node, node.client.list_workflows(name=NOTICE)[0].workflow_id)
    swept(node)
    assert node.client.list_workflows(name=NOTICE) == []


def end(node: Node, workflow_id: str) -> None:
    """As the sender ends a notice."""
    with sqlite3.connect(node.settings.data / "osteon.sqlite") as database:
        database.execute(
            "update workflow_status set status='SUCCESS', completed_at=1 where workflow_uuid=?",
            (workflow_id,),
        )
    database.close()


def test_a_superseded_job_is_not_begun_again(node: Node) -> None:
    sent(node, keep=range(3))
    quiet(node, 0)
    sent(node, RIGHT, keep=range(3))
    quiet(node, 100)
    old, new = jobs(node)
    with pytest.raises(UsageError, match="this one is superseded"):
        retry(node.client, old.job_id, node.settings.data)
    (shown,) = list_jobs(node.client, [old.job_id], detailed=True)
    assert (shown.state, new.state) == ("superseded", "queued")
