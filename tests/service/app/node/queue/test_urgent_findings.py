"""Tests what a fracture in a result causes: urgency and one notice if set, and nothing by default."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.node.queue.job import Json
from app.node.queue.jobs.job_list import list_jobs
from app.node.queue.workflow import DELIVER, NOTICE, SEGMENT, Attempt
from app.node.send.notices import EVENTS, announce_finding
from app.node.settings.peer import Peer
from tests.service.app.node.queue.test_queue import NOON, RULES, arrives
from tests.service.app.node.studies.test_retention import STUDY, Node
from tests.support.node.node_processes import until
from tests.support.node.queue_cases import DELIVERED, SEGMENTED, ScriptedSegmenter, input_of, worked_off

PACS = Peer(name="pacs", ae_title="PACS", host="127.0.0.1", receives=True)
FRACTURE = {"code": "fracture", "probability": 0.87}
INTACT = {"code": "no_fracture", "probability": 0.04}
URL = "http://127.0.0.1:1/hook"


def node(tmp_path: Path, **given: Any) -> Node:
    return Node(tmp_path, peers=(PACS,), rules=RULES, **given)


def found(here: Node, finding: Json | None, attempt: Any = lambda _: DELIVERED) -> None:
    """Segments everything in the queue with that finding, and delivers it."""
    outcome = SEGMENTED | ({"finding": finding} if finding else {})
    announce = partial(announce_finding, here.settings)
    with worked_off(here.settings, ScriptedSegmenter(lambda: outcome), attempt, announce=announce):
        until(lambda: {job.state for job in list_jobs(here.client)} == {"delivered"})


def priorities(here: Node, name: str) -> list[int]:
    """Returns the priorities of all rows of a workflow, the oldest first."""
    return [row.priority or 0 for row in here.client.list_workflows(name=name)]


def notices(here: Node) -> list[Json]:
    return [input_of(row) for row in here.client.list_workflows(name=NOTICE)]


@pytest.mark.parametrize("finding", [FRACTURE, INTACT, None])
def test_a_finding_causes_nothing_by_default(tmp_path: Path, finding: Json | None) -> None:
    here = node(tmp_path, notice_url=URL)
    arrives(here, 1, "hand", NOON)
    found(here, finding)
    assert priorities(here, DELIVER) == [0]
    assert notices(here) == []


def test_a_fracture_makes_the_deliveries_and_later_jobs_of_its_study_urgent(tmp_path: Path) -> None:
    here = node(tmp_path, urgent_findings=True)
    for study, finding in ((1, FRACTURE), (2, INTACT)):
        arrives(here, study, "hand", NOON)
        found(here, finding)
    (first, second) = priorities(here, DELIVER)
    assert second - first == 7200
    for study in (1, 2):
        late(here, study)
    jobs = priorities(here, SEGMENT)
    assert jobs[0] == jobs[1] == jobs[3] == jobs[2] + 7200


def late(here: Node, study: int) -> None:
    """Receives another image of the study, and queues its job."""
    here.receive(range(1, 2), study=study)
    here.again()
    here.dispatcher.now = lambda: NOON
    assert here.dispatcher.tick(0) == 1


def test_a_fracture_is_notified_once_without_patient_data(tmp_path: Path) -> None:
    here = node(tmp_path, notice_url=URL, notice_findings=True)
    arrives(here, 1, "hand", NOON)
    found(here, FRACTURE)
    (job,) = list_jobs(here.client)
    assert (job.finding, job.probability) == ("fracture", 0.87)
    here.client.rewind_workflow(job.job_id)
    found(here, FRACTURE)
    (body,) = notices(here)
    assert body == {
        "event": "finding",
        "job_id": job.job_id,
        "study_instance_uid": STUDY,
        "state": "delivering",
        "code": "fracture",
        "sentence": "fracture found (probability 87%)",
    }
    assert body["event"] in EVENTS


@pytest.mark.parametrize("finding", [INTACT, {"code": "uncertain", "probability": 0.5}, None])
def test_only_a_fracture_is_notified(tmp_path: Path, finding: Json | None) -> None:
    here = node(tmp_path, notice_url=URL, notice_findings=True)
    arrives(here, 1, "hand", NOON)
    found(here, finding)
    assert notices(here) == []


def test_a_delivery_without_files_completes_if_a_study_has_no_seg(tmp_path: Path) -> None:
    archive = PACS.model_copy(update={"name": "archive", "results": ("seg",)})
    here = Node(tmp_path, peers=(PACS, archive), rules=RULES)
    arrives(here, 1, "hand", NOON)
    files = [file for file in SEGMENTED["files"] if file["kind"] != "seg"]
    sent: dict[str, list[str]] = {}

    def attempt(delivery: Json) -> Attempt:
        sent[delivery["peer"]] = [file["kind"] for file in delivery["files"]]
        return DELIVERED

    with worked_off(here.settings, ScriptedSegmenter(lambda: SEGMENTED | {"files": files}), attempt):
        until(lambda: {job.state for job in list_jobs(here.client)} == {"delivered"})
    assert sent == {"pacs": ["sr"], "archive": []}
