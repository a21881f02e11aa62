"""A removed study leaves no trace in data folder and database except in the audit trail."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from app.node.commitment.commitment import owed_to
from app.node.commitment.requests import transaction_of
from app.node.commitment.transactions import keep_answer, open_transaction
from app.node.queue.database import enqueue_report
from app.node.queue.jobs.job_actions import cancel, settle
from app.node.queue.jobs.job_list import list_jobs
from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer
from app.node.studies.retention import forget, sweep
from operators.dicom.commitment import Commitment, Named
from tests.service.app.node.queue.test_corrections import RIGHT, brighter
from tests.service.app.node.studies.test_retention import STUDY, Node
from tests.support.dicom import phantoms
from tests.support.node.node_processes import until
from tests.support.node.queue_cases import DELIVERED, ScriptedSegmenter, worked_off
from tests.support.node.study_cases import audited, jobs, quiet, sent

CT = "1.2.840.10008.5.1.4.1.1.2"
PACS = Peer(name="pacs", ae_title="PACS", host="127.0.0.1", receives=True)
CENTURY_MS = 100 * 365 * 86400 * 1000


def traces(settings: NodeSettings) -> list[str]:
    """Where a study's UID is: names and contents of files, and rows of all tables."""
    word = STUDY.encode()
    kept = ("audit.xml", "osteon.sqlite")
    paths = [path for path in settings.data.rglob("*") if not path.name.startswith(kept)]
    found = [
        path.name for path in paths if STUDY in path.name or (path.is_file() and word in path.read_bytes())
    ]
    return found + rows_with(settings.data / "osteon.sqlite", STUDY)


def rows_with(database: Path, word: str) -> list[str]:
    """Tables and columns."""
    with sqlite3.connect(database) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall()
        rows = {name: connection.execute(f"SELECT * FROM {name}").fetchall() for (name,) in names}
    return [name for name, found in rows.items() for row in found if word in str(row)]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A study that was corrected and delivered, with a conflict, a commitment and its report, notices."""
    url = "http://127.0.0.1:1/"
    here = Node(tmp_path, quiet_s=30, peers=(PACS,), retention_s=0, notice_url=url)
    sent(here)
    quiet(here, 0)
    sent(here, RIGHT)
    quiet(here, 100)
    with worked_off(here.settings, ScriptedSegmenter(), lambda _: DELIVERED):
        until(lambda: [job.state for job in jobs(here)] == ["superseded", "delivered"])
        report(here)
    sent(here, brighter, keep=[0])
    quiet(here, 200)
    assert jobs(here)[-1].state == "conflict"
    return here


def report(node: Node) -> None:
    """A peer requested a commitment to the study and received the report."""
    settings = node.settings
    named = (Named(CT, f"{STUDY}.1.1"),)
    enqueue_report(settings, owed_to(PACS, Commitment("1.2.3", named)))
    until(lambda: node.client.list_workflows(name="report_commitment", status="SUCCESS"))
    delivery: dict[str, Any] = {"job_id": jobs(node)[-1].job_id, "peer": "pacs"}
    transaction = open_transaction(settings.data, transaction_of(delivery), "pacs", [named[0]])
    keep_answer(settings.data, transaction.answered(Commitment(transaction.uid, named)))


def test_a_person_removes_everything(node: Node) -> None:
    assert len(traces(node.settings)) > 10
    forget(node.settings, node.client, jobs(node)[0].job_id, node.dispatcher.trail, "admin")
    assert traces(node.settings) == []
    assert list((node.settings.data / "commitments").iterdir()) == []
    assert list(node.settings.data.rglob("*.dcm")) == []
    assert audited(node, "110105") == [STUDY]
    assert 'UserID="admin"' in (node.settings.data / "audit.xml").read_text()
    assert quiet(node, 300) == 0


def test_retention_waits_for_a_decision_and_then_removes_everything(node: Node) -> None:
    assert sweep(node.settings, node.client, CENTURY_MS) == 0
    settle(node.client, jobs(node)[-1].job_id, "dismiss")
    quiet(node, 300)
    assert sweep(node.settings, node.client, CENTURY_MS) == 1
    assert traces(node.settings) == []
    assert audited(node, "110105") == [STUDY]


def test_versions_that_nobody_has_judged_yet_keep_their_study(tmp_path: Path) -> None:
    node = Node(tmp_path, quiet_s=30, retention_s=0)
    sent(node)
    quiet(node, 0)
    cancel(node.client, list_jobs(node.client)[0].job_id)
    sent(node, RIGHT)
    assert sweep(node.settings, node.client, CENTURY_MS) == 0
    assert quiet(node, 100) == 1


def test_a_neighbour_whose_name_begins_alike_stays(tmp_path: Path) -> None:
    node = Node(tmp_path, quiet_s=30, retention_s=0)
    for study in (1, 11):
        sent(node, study=study)
    quiet(node, 0)
    first = next(job for job in jobs(node) if job.study_instance_uid == STUDY)
    cancel(node.client, first.job_id)
    assert sweep(node.settings, node.client, CENTURY_MS) == 1
    assert [job.study_instance_uid for job in jobs(node)] == [f"{phantoms.UID_ROOT}.11"]
    assert len(list(node.settings.data.rglob("*.dcm"))) == 8
