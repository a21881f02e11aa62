"""Upgrade and downgrade of the workflows: queued and started jobs are finished all the same."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.node.queue.database import enqueue_report, open_connection
from app.node.queue.job import Json
from app.node.queue.jobs.job_list import list_jobs
from app.node.queue.workflow import DELIVER, SEGMENT, Attempt
from app.settings import ROOT
from operators.packages.structures import BUNDLED
from tests.service.app.node.queue.test_queue import NOON, PACS, arrives, node, states
from tests.support.dicom import phantoms
from tests.support.node.node_cases import storescu
from tests.support.node.node_processes import Orthanc, Served, until
from tests.support.node.queue_cases import DELIVERED, ScriptedSegmenter, worked_off

CALLER = PACS.model_copy(update={"name": "caller", "ae_title": "CALLER"})
OWED: Json = {"peer": "caller", "transaction_uid": "1.2.3"}
AFFINE = phantoms.axial_affine((2.0, 2.0, 2.0))
# Large enough that its worker can be caught at work
HU = phantoms.position_volume((64, 64, 32), AFFINE)
ORDERS = [("1", "2"), ("2", "1"), ("1", "2", "1")]


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_what_was_queued_before_is_done_by_the_version_that_runs(
    tmp_path: Path, order: tuple[str, ...]
) -> None:
    here = node(tmp_path)
    settings = here.settings.model_copy(update={"peers": (PACS, CALLER)})
    reported: list[Json] = []

    def report(owed: Json) -> Attempt:
        reported.append(owed)
        return DELIVERED

    def are_reported(count: int) -> bool:
        return states(here) == ["delivering"] * count and len(reported) == count

    for study, version in enumerate(order, 1):
        arrives(here, study, "pelvis", NOON)
        enqueue_report(settings, OWED)
        # No delivery has anybody who does it yet
        with worked_off(settings, ScriptedSegmenter(), report=report, version=version):
            until(partial(are_reported, study))
    with worked_off(settings, ScriptedSegmenter(), lambda _: DELIVERED, version="3"):
        until(lambda: states(here) == ["delivered"] * len(order))
    assert len(list_jobs(here.client)) == len(order)


class Release:
    """A copy of Osteon under another workflow version whose first step has another name."""

    def __init__(self, folder: Path, version: str) -> None:
        self.folder, self.version = folder, version
        for name in ("app", "operators"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "models").mkdir()
        shutil.copy(BUNDLED, folder / "models")
        shutil.copy(ROOT / "app.yaml", folder)
        queue = folder / "app" / "node" / "queue"
        replace(queue / "database.py", r'WORKFLOW_VERSION = "\w+"', f'WORKFLOW_VERSION = "{version}"')
        replace(queue / "workflow.py", r'step\(name="decide"\)', f'step(name="decide_{version}")')

    def start(self, served: Served) -> None:
        """Serves from this folder, and no other."""
        served.start(within=("env", "-C", str(self.folder)), PYTHONPATH=str(self.folder))


def replace(path: Path, pattern: str, by: str) -> None:
    changed, count = re.subn(pattern, by, path.read_text())
    assert count == 1
    path.write_text(changed)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Served, Orthanc]]:
    pacs = Orthanc(tmp_path / "pacs")
    running = Served(tmp_path, ({"name": "ct1", "ae_title": "CT1"}, pacs.as_peer()))
    yield running, pacs
    running.end()
    pacs.stop()


def rows(running: Served, name: str) -> list[Any]:
    client = open_connection(running.node)
    try:
        return client.list_workflows(name=name, load_output=False)
    finally:
        client.destroy()


def send(running: Served, folder: Path, study: int) -> None:
    phantoms.write_ct(folder, HU, AFFINE, study=study)
    assert storescu(running.port, "+sd", folder)[0] == 0


def begun(running: Served, study: int) -> list[Any]:
    """The study's workflow while one of its steps is done and the other is not."""
    uid = f"{phantoms.UID_ROOT}.{study}-"
    found = [row for row in rows(running, SEGMENT) if row.workflow_id.startswith(uid)]
    jobs = running.node.data / "jobs"
    return [row for row in found if row.status == "PENDING" and (jobs / row.workflow_id / "out").exists()]


def is_killed_at_work(running: Served, study: int) -> bool:
    """Kills a node whose worker is between two steps of the study; it is frozen while that is looked at."""
    if not begun(running, study):
        return False
    assert running.process is not None
    os.killpg(running.process.pid, signal.SIGSTOP)
    if not begun(running, study):
        os.killpg(running.process.pid, signal.SIGCONT)
        return False
    running.kill()
    return True


def cut_off(running: Served, folder: Path, first: int) -> frozenset[str]:
    """Kills the node over three studies: one waits for the PACS, one is half done, one is queued.

    Returns the workflows that are not finished.
    """
    waiting, half_done, queued = range(first, first + 3)
    send(running, folder / str(waiting), waiting)
    until(lambda: f"{phantoms.UID_ROOT}.{waiting}" in postponed(running), 120)
    send(running, folder / str(half_done), half_done)
    send(running, folder / str(queued), queued)
    until(lambda: is_killed_at_work(running, half_done), 60)
    all_rows = (*rows(running, SEGMENT), *rows(running, DELIVER))
    return frozenset(row.workflow_id for row in all_rows if row.status in ("PENDING", "ENQUEUED"))


def assert_all_delivered(
    running: Served, pacs: Orthanc, studies: int, version: str, unfinished: frozenset[str]
) -> None:
    """Each result once; what was unfinished is done by this version."""
    until(lambda: [job.state for job in running.jobs()] == ["delivered"] * studies, 180)
    found = Counter(seg["StudyInstanceUID"] for seg in pacs.segs())
    assert found == {f"{phantoms.UID_ROOT}.{study + 1}": 1 for study in range(studies)}
    all_rows = (*rows(running, SEGMENT), *rows(running, DELIVER))
    done_by = {row.workflow_id: row.app_version for row in all_rows if row.workflow_id in unfinished}
    assert done_by == dict.fromkeys(unfinished, version)


def test_an_update_and_the_way_back_lose_and_double_nothing(
    served: tuple[Served, Orthanc], tmp_path: Path
) -> None:
    running, pacs = served
    older, newer = (Release(tmp_path / f"release-{version}", version) for version in ("1", "2"))
    older.start(running)
    unfinished = cut_off(running, tmp_path, 1)
    pacs.start()
    newer.start(running)
    assert_all_delivered(running, pacs, 3, "2", unfinished)
    pacs.stop()
    unfinished = cut_off(running, tmp_path, 4)
    pacs.start()
    older.start(running)
    assert_all_delivered(running, pacs, 6, "1", unfinished)


def postponed(running: Served) -> str:
    return "\n".join(line for line in running.log().splitlines() if "delivery_postponed" in line)
