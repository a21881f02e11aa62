"""`osteon jobs` on the real queue: why a job waits, and how a person ends a pause."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from dbos import EnqueueOptions
from sqlalchemy.engine import Engine

from app.cli.commands import app
from app.node.queue.job import Json, StudyJob
from app.node.queue.jobs.job_actions import retry, send_now
from app.node.queue.jobs.job_list import list_jobs
from app.node.queue.jobs.job_state import JobState
from app.node.queue.pauses import request_file
from app.node.queue.workflow import SEGMENT, Attempt
from operators.errors import OsteonError, OutputError, UsageError
from tests.service.app.node.queue.test_queue import NOON, arrives, node, states
from tests.service.app.node.studies.test_retention import AFFINE, HU, Node
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import setting
from tests.support.node.node_processes import until
from tests.support.node.queue_cases import DELIVERED, SEGMENTED, ScriptedSegmenter, worked_off
from tests.support.training.training_cases import ROOT

DOWN = Attempt("transient", "unreachable", "expected pacs to answer, got none")
HOUR_S = 3600.0
# Delivers in vain until it is killed; pauses are those of this release, or of the one before
UNTIL_KILLED = """
import sys, time
from pathlib import Path
from dbos import DBOS, EnqueueOptions, EnqueueOptions
from app.node.queue import pauses
from tests.support.node.queue_cases import ScriptedSegmenter, worked_off
from tests.service.app.node.queue.test_jobs_command import DOWN
from tests.service.app.node.queue.test_queue import node

pauses.FIRST_PAUSE_S = pauses.LONGEST_PAUSE_S = float(sys.argv[2])
if sys.argv[3] == "former":
    pauses.pause = lambda _, seconds: DBOS.run_step({"name": "DBOS.sleep"}, time.sleep, seconds) or seconds
with worked_off(node(Path(sys.argv[1])).settings, ScriptedSegmenter(), lambda _: DOWN):
    time.sleep(600)
"""


@pytest.fixture
def long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause ends by itself within a test."""
    monkeypatch.setattr("app.node.queue.pauses.FIRST_PAUSE_S", HOUR_S)
    monkeypatch.setattr("app.node.queue.pauses.LONGEST_PAUSE_S", HOUR_S)


def detailed(here: Node) -> list[JobState]:
    return list_jobs(here.client, detailed=True)


def postponed(here: Node) -> JobState | None:
    """The first job, when a destination of it is postponed."""
    job = detailed(here)[0]
    return job if any(each.state == "postponed" for each in job.destinations) else None


def command(here: Node, *words: str) -> tuple[int, str]:
    """Exit code and output, captured without a fixture's stderr, which DBOS's log would keep open."""
    with redirect_stdout(StringIO()) as said:
        try:
            arguments = ["jobs", *words, "--data", str(here.settings.data)]
            return app(arguments, exit_on_error=False, result_action="return_value"), said.getvalue()
        except OsteonError as error:
            return error.exit_code, f"osteon: {error}\n"


@pytest.mark.usefixtures("long_pauses")
def test_a_postponed_delivery_says_why_and_goes_when_it_is_told_to(tmp_path: Path) -> None:
    here, answers = node(tmp_path), [DOWN, DELIVERED]
    arrives(here, 1, "pelvis", NOON)
    with worked_off(here.settings, ScriptedSegmenter(), lambda _: answers.pop(0)):
        job = until(lambda: postponed(here))
        (destination,) = job.destinations
        assert (job.state, job.code, job.sentence) == ("delivering", "unreachable", f"pacs: {DOWN.sentence}")
        assert (destination.sentence, destination.attempts) == (DOWN.sentence, 1)
        assert destination.next_attempt > job.created_at
        assert (job.images, job.revision) == (1, 1)
        code, said = command(here, "list")
        assert (code, said.count("\n")) == (0, 1)
        assert "pacs: postponed: expected pacs to answer, got none (unreachable); 1 attempt so far" in said
        code, said = command(here, "send-now", job.job_id[-5:])
        assert (code, said) == (0, f"pacs: retried now, after 1 attempt (last: {DOWN.sentence})\n")
        until(lambda: states(here) == ["delivered"])
    code, said = command(here, "send-now", job.job_id)
    assert (code, said) == (2, "osteon: expected a job that is postponed; this one is delivered\n")


@pytest.mark.usefixtures("long_pauses")
def test_what_waits_behind_a_postponed_delivery_brings_that_on(tmp_path: Path) -> None:
    here, answers = node(tmp_path), [DOWN, DELIVERED, DELIVERED]
    arrives(here, 1, "pelvis", NOON)
    with worked_off(here.settings, ScriptedSegmenter(), lambda _: answers.pop(0)):
        until(lambda: postponed(here))
        arrives(here, 2, "pelvis", NOON)
        until(lambda: states(here) == ["delivering", "delivering"])
        second = detailed(here)[1]
        assert [each.state for each in second.destinations] == ["queued"]
        assert len(send_now(here.client, second.job_id, here.settings.data)) == 2
        until(lambda: states(here) == ["delivered", "delivered"])


@pytest.mark.usefixtures("long_pauses")
def test_a_postponed_segmentation_says_why_and_goes_on_when_it_is_told_to(tmp_path: Path) -> None:
    here, full = node(tmp_path), [True]
    arrives(here, 1, "pelvis", NOON)

    def outcome() -> Json:
        if full:
            raise OutputError("expected room on the disk, got none")
        return SEGMENTED

    with worked_off(here.settings, ScriptedSegmenter(outcome), lambda _: DELIVERED):
        (job,) = until(lambda: [job for job in detailed(here) if job.next_attempt])
        assert (job.state, job.attempts) == ("running", 1)
        assert job.sentence == "expected room on the disk, got none"
        full.clear()
        send_now(here.client, job.job_id, here.settings.data)
        until(lambda: states(here) == ["delivered"])


def killed(root: Path, first_pause_s: float, form: str, true: Callable[[], Any]) -> None:
    """A process that delivers in vain, killed as soon as that is so."""
    words = [sys.executable, "-c", UNTIL_KILLED, str(root), str(first_pause_s), form]
    process = subprocess.Popen(words, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        until(true)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.mark.usefixtures("long_pauses")
def test_a_request_outlives_a_kill(tmp_path: Path) -> None:
    here = node(tmp_path)
    arrives(here, 1, "pelvis", NOON)
    killed(tmp_path, HOUR_S, "present", lambda: postponed(here))
    (job,) = detailed(here)
    send_now(here.client, job.job_id, here.settings.data)
    with worked_off(here.settings, ScriptedSegmenter(), lambda _: DELIVERED):
        until(lambda: states(here) == ["delivered"])


def test_work_that_began_with_the_former_pauses_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.node.queue.pauses.LONGEST_PAUSE_S", 0.2)
    here = node(tmp_path)
    arrives(here, 1, "pelvis", NOON)
    killed(tmp_path, 0.2, "former", lambda: (job := postponed(here)) and job.destinations[0].attempts > 2)
    answers = [DOWN, DELIVERED]
    with worked_off(here.settings, ScriptedSegmenter(), lambda _: answers.pop(0)):
        until(lambda: states(here) == ["delivered"])
    assert not answers


@pytest.mark.usefixtures("long_pauses")
def test_a_request_ends_no_pause_of_a_job_that_is_begun_again(tmp_path: Path) -> None:
    here = node(tmp_path)
    arrives(here, 1, "pelvis", NOON)
    answers = [DOWN, Attempt("failed", "peer_refused", "no"), DOWN]
    with worked_off(here.settings, ScriptedSegmenter(), lambda _: answers.pop(0)):
        job = until(lambda: postponed(here))
        send_now(here.client, job.job_id, here.settings.data)
        until(lambda: states(here) == ["failed"])
        request = request_file(here.settings.data, f"{job.job_id}>pacs")
        assert request.exists()
        retry(here.client, job.job_id, here.settings.data)
        assert not request.exists()
        assert until(lambda: postponed(here)).destinations[0].attempts == 1
        send_now(here.client, job.job_id, here.settings.data)
        answers.append(DELIVERED)
        until(lambda: states(here) == ["delivered"])


def test_the_list_asks_the_database_as_often_for_many_jobs_as_for_one(tmp_path: Path) -> None:
    here, asked = node(tmp_path), []
    asking = (Engine, "before_cursor_execute", lambda *_: asked.append(1))
    counts = []
    for number in range(300):
        job = StudyJob(f"1.2.{number}-{number:016x}", f"1.2.{number}", 1, NOON.isoformat(), "CT1", 274)
        options = EnqueueOptions(workflow_name=SEGMENT, queue_name="studies", workflow_id=job.job_id)
        here.client.enqueue(options, job.as_json())
        if number in (0, 299):
            sa.event.listen(*asking)
            assert len(detailed(here)) == number + 1
            sa.event.remove(*asking)
            counts.append(len(asked))
    assert counts[1] == 2 * counts[0] > 0


def test_accession_numbers_are_read_from_the_files_and_kept_nowhere(tmp_path: Path) -> None:
    here = node(tmp_path)
    phantoms.write_ct(here.watch, HU, AFFINE, keep=[0], edit=setting(AccessionNumber="ACC-4711"))
    here.folder.look()
    here.folder.look()
    assert here.dispatcher.tick(0) == 1
    (job,) = detailed(here)
    assert "ACC-4711" not in command(here, "list")[1]
    assert "accession number ACC-4711" in command(here, "list", "--accession")[1]
    code, said = command(here, "show", job.job_id[:-3], "--json")
    shown = json.loads(said)
    assert (code, shown["accession_number"], shown["job_id"]) == (0, "ACC-4711", job.job_id)
    assert shown["calling_ae"] == job.calling_ae
    assert "accession ACC-4711" in command(here, "show", job.job_id[:-3])[1]
    (listed,) = json.loads(command(here, "list", "--json")[1])
    assert (listed["short_id"], "accession_number" in listed) == (shown["short_id"], False)
    stored = b"".join(path.read_bytes() for path in here.settings.data.glob("osteon.sqlite*"))
    assert job.job_id.encode() in stored
    assert b"ACC-4711" not in stored


@pytest.mark.parametrize("action", ["show", "retry", "cancel", "delete", "send-now"])
def test_every_action_takes_a_short_id_and_says_when_it_names_none(tmp_path: Path, action: str) -> None:
    here = node(tmp_path)
    arrives(here, 1, "pelvis", NOON)
    arrives(here, 2, "pelvis", NOON)
    code, said = command(here, action, "zz")
    assert (code, said) == (2, "osteon: expected the id of a job, got 'zz'; `osteon jobs list` shows them\n")
    code, said = command(here, action, phantoms.UID_ROOT)
    assert (code, "matches 2: " in said) == (2, True)
    job = detailed(here)[0]
    code, said = command(here, action, job.job_id.rpartition("-")[2][:6])
    assert "queued" in said or "has not" in said or "cancelled" in said
    assert code == (0 if action in ("show", "cancel") else 2)


def test_list_takes_no_id_and_the_others_need_one(tmp_path: Path) -> None:
    here = node(tmp_path)
    said = "osteon: expected no id for list; try: osteon jobs show x\n"
    assert command(here, "list", "x") == (2, said)
    assert command(here, "show") == (2, "osteon: expected the id of a job: osteon jobs show ID\n")
    assert command(here, "list")[1].startswith("no jobs: ")
    assert command(here, "list", "--json") == (0, "[]\n")
    with pytest.raises(UsageError, match="expected the id"):
        send_now(here.client, "none", here.settings.data)
