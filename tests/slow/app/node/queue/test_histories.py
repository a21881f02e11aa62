"""Random histories of a study: versions, parts, decisions, restarts and removals in any order."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from app.node.queue.decisions import rows
from app.node.queue.jobs.job_actions import cancel, settle
from app.node.queue.jobs.job_list import list_jobs
from app.node.storage.inbox import InboxOutcome
from app.node.storage.pending_file import content_hash
from app.node.studies.retention import sweep
from operators.dicom.elements.file_meta import with_standard_head
from operators.errors import UsageError
from tests.service.app.node.queue.test_corrections import brighter
from tests.service.app.node.studies.test_retention import AFFINE, HU, STUDY, Node
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import setting
from tests.support.node.study_cases import contents, jobs, sent

HISTORIES = int(os.environ.get("OSTEON_TEST_HISTORIES", "40"))
CENTURY_MS = 100 * 365 * 86400 * 1000
VERSIONS: dict[str, phantoms.Edit | None] = {
    "first": None, "right": setting(PatientID="RIGHT"), "third": setting(PatientID="THIRD"),
    "side": setting(Laterality="R"), "brighter": brighter, "same": setting(InstitutionName="x"),
}  # fmt: skip
PARTS = (range(4), range(4), range(4), range(2), range(2, 4), [1])


class History:
    """A node and its clock; `kept` are hashes of contents that were acknowledged and not removed since.

    They are known from what was sent, not from where it lies.
    """

    def __init__(self, node: Node, chance: random.Random) -> None:
        self.node, self.chance, self.now_s = node, chance, 0.0
        self.kept: set[str] = set()

    def send(self) -> None:
        """What was sent must be kept, whatever the node says became of it."""
        edit = self.chance.choice(list(VERSIONS.values()))
        part, series = self.chance.choice(PARTS), self.chance.choice((1, 1, 1, 2))
        offered = offer(self.node.settings.data.parent / "offered", edit, part, series)
        outcomes = sent(self.node, edit, keep=part, series=series)
        assert len(outcomes) == len(offered)
        assert set(outcomes) <= set(InboxOutcome)
        self.kept |= offered

    def look(self) -> None:
        self.now_s += self.chance.choice((1, 31, 31, 31, 700))
        self.node.dispatcher.tick(self.now_s)

    def decide(self) -> None:
        waiting = [job for job in jobs(self.node) if job.state == "conflict"]
        if waiting:
            self.answer(self.chance.choice(waiting).job_id, self.chance.choice(("accept", "dismiss")))

    def answer(self, conflict: str, decision: str) -> None:
        """What cannot be accepted, or not just now, is dismissed."""
        try:
            settle(self.node.client, conflict, decision)
        except UsageError:
            settle(self.node.client, conflict, "dismiss")

    def restart(self) -> None:
        self.node.again()

    def end(self) -> None:
        for job in jobs(self.node):
            if job.state == "queued" and self.chance.random() < 0.5:
                cancel(self.node.client, job.job_id)

    def sweep(self) -> None:
        """A study may go when a job has all that is in use, and nothing waits to be judged."""
        may_go = self.is_all_in_jobs()
        if sweep(self.node.settings, self.node.client, CENTURY_MS):
            assert may_go, "removed with instances that no job has"
            self.kept = set()

    def correct(self) -> None:
        """A whole series comes with other patient data, all jobs end, and what is old is removed."""
        edit = VERSIONS[self.chance.choice(("right", "third"))]
        self.kept |= offer(self.node.settings.data.parent / "offered", edit, range(4), 1)
        sent(self.node, edit)
        for _ in range(self.chance.choice((1, 2, 3))):
            self.now_s += 31
            self.node.dispatcher.tick(self.now_s)
        for job in jobs(self.node):
            if job.state == "queued":
                cancel(self.node.client, job.job_id)
        self.sweep()

    def is_all_in_jobs(self) -> bool:
        """By content, and by the files that lie there before the sweep."""
        data = self.node.settings.data
        return hashes(data / "inbox") <= hashes(data / "jobs") and not hashes(data / "conflicts")

    def step(self) -> str:
        """One event; nothing that was acknowledged goes by it."""
        events: list[Callable[[], None]] = [
            self.send,
            self.send,
            self.look,
            self.look,
            self.look,
            self.decide,
            self.restart,
            self.end,
            self.sweep,
            self.correct,
        ]
        event = self.chance.choice(events)
        event()
        assert self.kept <= contents(self.node), event.__name__
        return event.__name__

    def settle(self) -> None:
        """Nothing more comes, and a person decides whatever is asked."""
        for _ in range(12):
            self.now_s += 700
            self.node.dispatcher.tick(self.now_s)
            for job in jobs(self.node):
                if job.state == "conflict":
                    self.answer(job.job_id, "accept")


def offer(folder: Path, edit: phantoms.Edit | None, part: Iterable[int], series: int) -> set[str]:
    """Hashes of instances as they are stored, with the head that every file in the inbox has."""
    found = set()
    for path in phantoms.write_ct(folder, HU, AFFINE, edit=edit, keep=part, series=series):
        whole = path.with_suffix(".whole")
        with whole.open("xb") as file:
            with_standard_head(path, file)
        found.add(content_hash(whole))
    shutil.rmtree(folder)
    return found


def hashes(folder: Path) -> set[str]:
    """Of the instances below it."""
    return {content_hash(path) for path in folder.rglob("*.dcm")}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("template")
    Node(root, quiet_s=30, forced_s=600, retention_s=0).client.destroy()
    return root


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_no_version_is_lost_and_the_last_job_is_of_what_is_in_use(
    template: Path, tmp_path: Path, seed: int
) -> None:
    shutil.copytree(template, tmp_path / "node")
    node = Node(tmp_path / "node", quiet_s=30, forced_s=600, retention_s=0)
    history = History(node, random.Random(seed))
    steps = [history.step() for _ in range(25)]
    history.settle()
    inbox = node.settings.data / "inbox" / STUDY
    assert history.kept <= contents(node), steps
    assert not [row for row in rows(node.client, only_open=True)], steps
    assert not list((node.settings.data / "conflicts").rglob("*.dcm")), steps
    assert hashes(inbox) == last_job(node), steps
    assert bool(history.kept) == bool(hashes(inbox)), steps
    node.client.destroy()


def last_job(node: Node) -> set[str]:
    """Hashes of the instances of the study's last job; none without a job."""
    made = [job for job in list_jobs(node.client) if (node.settings.data / "jobs" / job.job_id).exists()]
    return hashes(node.settings.data / "jobs" / made[-1].job_id) if made else set()
