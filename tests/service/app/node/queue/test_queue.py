"""The real queue: urgent studies first, no starvation, and nothing undelivered is removed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.node.queue.abandoned import AbandonedWorkflows, Running
from app.node.queue.job import Json
from app.node.queue.jobs.job_list import list_jobs
from app.node.queue.workflow import SEGMENT, Attempt
from app.node.settings.configuration import RoutingRule
from app.node.settings.peer import Peer
from app.node.studies.dispatcher import Dispatcher
from app.node.studies.retention import sweep
from operators.errors import OutputError
from tests.service.app.node.studies.test_retention import AFFINE, HU, Node
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import setting
from tests.support.node.node_processes import until
from tests.support.node.queue_cases import DELIVERED, SEGMENTED, ScriptedSegmenter, worked_off

PACS = Peer(name="pacs", ae_title="PACS", host="127.0.0.1", receives=True)
RULES = (
    RoutingRule(description="trauma", urgency="urgent", complete_images=1),
    RoutingRule(description="follow-up", urgency="low", complete_images=1),
    RoutingRule(complete_images=1),
)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
CENTURY_MS = 100 * 365 * 86400 * 1000


def node(tmp_path: Path, **given: Any) -> Node:
    return Node(tmp_path, peers=(PACS,), rules=RULES, retention_s=0, **given)


def arrives(node: Node, study: int, description: str, at: datetime) -> None:
    """A study, queued at a time of the test's choice."""
    edit = setting(StudyDescription=description)
    phantoms.write_ct(node.watch, HU, AFFINE, study=study, keep=[0], edit=edit)
    node.folder.look()
    assert node.folder.look() == 1
    assert Dispatcher(node.settings, node.client, lambda: at).tick(0) == 1


def states(node: Node) -> list[str]:
    return [job.state for job in list_jobs(node.client)]


def test_urgent_studies_overtake_and_old_ones_are_not_overtaken_for_ever(tmp_path: Path) -> None:
    here, hour, segmenter = node(tmp_path), timedelta(hours=1), ScriptedSegmenter()
    arrives(here, 1, "follow-up", NOON - 3 * hour)
    arrives(here, 2, "pelvis", NOON - 3 * hour)
    arrives(here, 3, "pelvis", NOON - 1.5 * hour)
    arrives(here, 4, "polytrauma", NOON)
    arrives(here, 5, "pelvis", NOON)
    with worked_off(here.settings, segmenter):
        until(lambda: len(segmenter.studies) == 5)
    assert [int(uid.rpartition(".")[2]) for uid in segmenter.studies] == [2, 4, 3, 1, 5]


def removed(node: Node) -> int:
    """By a sweep a hundred years later."""
    return sweep(node.settings, node.client, CENTURY_MS)


def test_only_what_came_to_a_good_end_is_ever_removed(tmp_path: Path) -> None:
    here = node(tmp_path)
    arrives(here, 1, "pelvis", NOON)
    assert (states(here), removed(here)) == (["queued"], 0)
    with worked_off(here.settings, ScriptedSegmenter()):
        until(lambda: states(here) == ["delivering"])
        assert removed(here) == 0
    failing = [Attempt("failed", "peer_refused", "no")]

    def attempt(_: Json) -> Attempt:
        return failing.pop() if failing else DELIVERED

    with worked_off(here.settings, ScriptedSegmenter(), attempt):
        until(lambda: states(here) == ["failed"])
        assert removed(here) == 0
        (job,) = list_jobs(here.client)
        here.client.rewind_workflow(f"{job.job_id}>pacs")
        until(lambda: states(here) == ["delivered"])
    assert len(list((here.settings.data / "inbox").rglob("*.dcm"))) == 1
    assert removed(here) == 1
    assert not list(here.settings.data.rglob("*.dcm"))


def test_each_destination_gets_the_results_that_it_takes(tmp_path: Path) -> None:
    archive = PACS.model_copy(update={"name": "archive", "results": ("seg", "sc")})
    here = Node(tmp_path, peers=(PACS, archive), rules=RULES, retention_s=0)
    arrives(here, 1, "pelvis", NOON)
    sent: dict[str, tuple[list[str], ...]] = {}

    def attempt(delivery: Json) -> Attempt:
        kinds = ([file["kind"] for file in delivery[key]] for key in ("files", "captures"))
        sent[delivery["peer"]] = tuple(kinds)
        return replace(DELIVERED, code="not_taken", sentence=f"{delivery['peer']} takes no sr")

    with worked_off(here.settings, ScriptedSegmenter(), attempt):
        until(lambda: states(here) == ["delivered"])
        (job,) = list_jobs(here.client)
    assert sent == {"pacs": (["seg", "sr"], ["sc"]), "archive": (["seg", "sc"], ["sc"])}
    assert job.code == "not_taken"
    assert sorted(job.sentence.split("; ")) == ["archive takes no sr", "pacs takes no sr"]


def full() -> Json:
    raise OutputError("expected room on the disk, got none")


def short() -> Json:
    raise MemoryError


def boneless() -> Json:
    return {"state": "refused", "code": "no_bones", "sentence": "expected bones"}


@pytest.mark.parametrize(
    ("outcomes", "end"),
    [
        ([full, short, boneless], ("refused", "no_bones")),
        ([full] * 99, ("failed", "output")),
        ([short] * 99, ("failed", "out_of_memory")),
    ],
)
def test_a_reason_that_passes_is_waited_out_and_one_that_stays_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcomes: list[Callable[[], Json]], end: tuple[str, str]
) -> None:
    monkeypatch.setattr("app.node.queue.pauses.FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr("app.node.queue.workflow.SEGMENT_PATIENCE_S", 0.2)
    here, left = node(tmp_path), iter(outcomes)
    arrives(here, 1, "pelvis", NOON)
    with worked_off(here.settings, ScriptedSegmenter(lambda: next(left)())):
        until(lambda: states(here) == [end[0]])
    (job,) = list_jobs(here.client)
    assert job.code == end[1]


def test_work_goes_back_to_its_queue_when_who_had_it_gives_no_sign(tmp_path: Path) -> None:
    here, gate = node(tmp_path), threading.Event()
    arrives(here, 1, "pelvis", NOON)

    def waits() -> Json:
        gate.wait()
        return SEGMENTED

    signs = here.settings.data / "signs"
    segmenter, busy, idle = ScriptedSegmenter(waits), Running(), Running()
    with worked_off(here.settings, segmenter), opened_at_last(gate):
        until(lambda: segmenter.studies)
        busy.ids.add(list_jobs(here.client)[0].job_id)
        at_work = AbandonedWorkflows("test", [SEGMENT], busy, signs, 60)
        assert [at_work.look(now_s) for now_s in (0, 30, 1000)] == [0, 0, 0]
        other = AbandonedWorkflows("other", [SEGMENT], idle, signs, 60)
        assert [other.look(now_s) for now_s in (0, 50)] == [0, 0]
        os.utime(signs / "test", ns=(1, 1))
        assert [other.look(now_s) for now_s in (100, 159)] == [0, 0]
        assert other.look(161) == 1
        deaf = AbandonedWorkflows("test", [SEGMENT], idle, signs, 60)
        deaf.look(0)
        gate.set()
        until(lambda: states(here) == ["delivering"])
        assert deaf.look(1000) == 0


def test_work_that_a_process_has_lost_goes_back_to_its_queue(tmp_path: Path) -> None:
    here, gate = node(tmp_path), threading.Event()
    arrives(here, 1, "pelvis", NOON)

    def waits() -> Json:
        gate.wait()
        return SEGMENTED

    segmenter = ScriptedSegmenter(waits)
    with worked_off(here.settings, segmenter), opened_at_last(gate):
        until(lambda: segmenter.studies)
        deaf = AbandonedWorkflows("test", [SEGMENT], Running(), here.settings.data / "signs", 60)
        assert [deaf.look(now_s) for now_s in (0, 19, 21)] == [0, 0, 1]
        gate.set()
        until(lambda: states(here) == ["delivering"])


@contextmanager
def opened_at_last(gate: threading.Event) -> Iterator[None]:
    """Whatever fails: who waits for it must not wait for ever."""
    try:
        yield
    finally:
        gate.set()
