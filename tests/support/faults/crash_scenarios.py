"""Scenarios that are crashed at every change to the disk: receiving, watching, queueing, sweeping, ..."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from dbos import DBOSClient

from app.node.queue.database import open_connection, prepare_database
from app.node.queue.job import Json, job_folder
from app.node.queue.jobs.job_actions import cancel
from app.node.queue.jobs.job_list import list_jobs
from app.node.queue.workflow import NOTICE, Attempt
from app.node.receive.watched_folder import WatchedFolder
from app.node.send.notices import announce_finding
from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer
from app.node.storage.data_folder import DataFolder
from app.node.storage.inbox import Inbox, InboxOutcome
from app.node.storage.pending_file import content_hash
from app.node.studies.dispatcher import Dispatcher
from app.node.studies.retention import sweep
from operators.dicom.elements.file_meta import file_head
from operators.dicom.elements.instance_identity import Instance, read_instance
from tests.support.dicom import phantoms
from tests.support.faults.crash_points import Scenario
from tests.support.node.node_cases import node_settings
from tests.support.node.queue_cases import DELIVERED, SEGMENTED, input_of, worked_off
from tests.support.radiographs.radiograph_studies import write_views

NOW = datetime(2026, 6, 1, tzinfo=UTC)
CENTURY_MS = 100 * 365 * 86400 * 1000
AFFINE = phantoms.axial_affine()
HU = phantoms.position_volume((8, 8, 4), AFFINE)
STUDY = f"{phantoms.UID_ROOT}.1"
PACS = Peer(name="pacs", ae_title="PACS", host="127.0.0.1", receives=True)
QUIET_S, WITHIN_S = 30.0, 60.0
CT = "1.2.840.10008.5.1.4.1.1.2"


def settings(root: Path) -> NodeSettings:
    """Returns settings of a node with its data below a scenario's folder."""
    return node_settings(root / "data", quiet_s=QUIET_S, retention_s=0, peers=(PACS,))


def stored(root: Path) -> list[Path]:
    """Returns the instances in the inbox."""
    return sorted((root / "data" / "inbox").rglob("*.dcm"))


def lay_in(root: Path, keep: range = range(4)) -> None:
    """Stores a study, or a part of it, as a receiver does."""
    inbox = Inbox(root / "data")
    for path in phantoms.write_ct(root / "ct", HU, AFFINE, keep=keep):
        part = inbox.new_part()
        shutil.copy(path, part)
        inbox.commit(part, read_instance(path))


@contextmanager
def client_of(root: Path) -> Iterator[DBOSClient]:
    """Yields a client of the job database."""
    client = open_connection(settings(root))
    try:
        yield client
    finally:
        client.destroy()


def tick(root: Path) -> None:
    """Runs the node's loop over a complete study, starting from the node's start."""
    with client_of(root) as client:
        dispatcher = Dispatcher(settings(root), client, lambda: NOW)
        dispatcher.tick(0)
        dispatcher.tick(QUIET_S)


class Receiving:
    """Receives an instance, a duplicate, and another one under its UID; records what was acknowledged."""

    offers = (b"one", b"one", b"another")

    def prepare(self, root: Path) -> None:
        Inbox(root / "data")

    def run(self, root: Path) -> None:
        inbox = Inbox(root / "data")
        for content in self.offers:
            self.say(root, content, self.commit(inbox, content))

    def commit(self, inbox: Inbox, content: bytes) -> InboxOutcome:
        part = inbox.new_part()
        part.write_bytes(file_head(CT, "1.2.3.4", "1.2.840.10008.1.2", "CT1") + content)
        return inbox.commit(part, Instance("1.2", "1.2.3", "1.2.3.4", CT))

    def say(self, root: Path, content: bytes, outcome: InboxOutcome) -> None:
        with (root / "said").open("a") as said:
            said.write(f"{content.decode()} {outcome.value}\n")

    def recover(self, root: Path) -> None:
        Inbox(root / "data").recover()

    def check(self, root: Path) -> None:
        inbox = Inbox(root / "data")
        assert not inbox.unfinished()
        assert [path.name for path in inbox.incoming.iterdir()] == ["recovery.lock"]
        said = [line.split() for line in (root / "said").read_text().splitlines()] if self.spoke(root) else []
        kept = {path.read_bytes()[-7:].strip(b"\0")[-3:] for path in (root / "data").rglob("*.dcm")}
        assert {content.encode()[-3:] for content, _ in said} <= kept <= {b"one", b"her"}
        # The peer sends again what was not acknowledged
        outcomes = [self.commit(inbox, content) for content in self.offers]
        assert outcomes[1:] == [InboxOutcome.DUPLICATE, InboxOutcome.CONFLICT]
        folders = Counter(path.parent.parent.name for path in inbox.root.rglob("*.dcm"))
        assert folders == {"1.2": 1, "conflicts": 1}

    def spoke(self, root: Path) -> bool:
        return (root / "said").exists()


class Watching:
    """Watches a folder with two instances, one of them twice, and a text file."""

    def prepare(self, root: Path) -> None:
        Inbox(root / "data")
        paths = phantoms.write_ct(root / "watch" / "ct", HU, AFFINE, keep=range(2))
        shutil.copy(paths[0], root / "watch" / "again.dcm")
        (root / "watch" / "letters").mkdir()
        (root / "watch" / "letters" / "letter.txt").write_text("no DICOM")

    def run(self, root: Path) -> None:
        folder = WatchedFolder(root / "watch", Inbox(root / "data", "watch"))
        folder.look()
        folder.look()

    def recover(self, root: Path) -> None:
        Inbox(root / "data").recover()
        self.run(root)

    def check(self, root: Path) -> None:
        assert len(stored(root)) == 2
        assert not list((root / "data" / "conflicts").rglob("*.dcm"))
        left = [path for path in (root / "watch").rglob("*") if path.is_file()]
        assert {path.read_text() for path in left} == {"no DICOM"}
        assert {path.relative_to(root / "watch").parts[0] for path in left} == {"refused"}
        assert not Inbox(root / "data").unfinished()


class Queueing:
    """Queues a complete study."""

    def prepare(self, root: Path) -> None:
        prepare_database(settings(root))
        lay_in(root)

    def run(self, root: Path) -> None:
        tick(root)

    def recover(self, root: Path) -> None:
        tick(root)

    def check(self, root: Path) -> None:
        assert states(root) == ["queued"]
        assert_taken_in(root, [4])


class QueueingLateSlices(Queueing):
    """Queues a slice that arrives after its study was queued and before it is begun."""

    def prepare(self, root: Path) -> None:
        prepare_database(settings(root))
        lay_in(root, range(3))
        tick(root)
        lay_in(root, range(3, 4))

    def check(self, root: Path) -> None:
        assert states(root) == ["superseded", "queued"]
        assert_taken_in(root, [3, 4])
        with client_of(root) as client:
            revisions = [input_of(row)["revision"] for row in client.list_workflows()]
        assert revisions == [1, 2]


class Sweeping(Queueing):
    """Sweeps a study that was finished long ago."""

    def prepare(self, root: Path) -> None:
        super().prepare(root)
        tick(root)
        with client_of(root) as client:
            cancel(client, list_jobs(client)[0].job_id)

    def run(self, root: Path) -> None:
        with client_of(root) as client:
            sweep(settings(root), client, CENTURY_MS)

    def recover(self, root: Path) -> None:
        tick(root)
        self.run(root)

    def check(self, root: Path) -> None:
        """Asserts that nothing is left and that it was not queued again."""
        assert states(root) == []
        left = [str(path.relative_to(root)) for path in (root / "data").rglob("*.dcm")]
        assert not left, left
        tick(root)
        assert states(root) == []


class OneSeries:
    """A stateless segmenter of studies with one series."""

    def decide(self, values: Json) -> Json:
        """Selects one series."""
        return {"state": "decided", "selected": 1, "refusals": [], "job": values["job_id"]}

    def segment(self, values: Json, numbers: Sequence[int]) -> Json:
        """Returns a result."""
        return SEGMENTED | {"job": values["job_id"], "number": numbers[0]}


class Delivering(Queueing):
    """Delivers a study from its queue to its destination by the real workflows."""

    def prepare(self, root: Path) -> None:
        super().prepare(root)
        tick(root)

    def run(self, root: Path) -> None:
        def attempt(delivery: Json) -> Attempt:
            with (root / "sent").open("a") as sent:
                sent.write(f"{delivery['job_id']} {[file['file'] for file in delivery['files']]}\n")
            return DELIVERED

        with worked_off(settings(root), OneSeries(), attempt):
            until(lambda: states(root) == ["delivered"])

    def recover(self, root: Path) -> None:
        self.run(root)

    def check(self, root: Path) -> None:
        """Asserts that the peer got no objects but the same ones again, which it knows by their UIDs."""
        assert states(root) == ["delivered"]
        assert len(set((root / "sent").read_text().splitlines())) == 1


class OneRadiograph(OneSeries):
    """A segmenter of studies of one radiograph, with a fracture that is not outlined."""

    def segment(self, values: Json, numbers: Sequence[int]) -> Json:
        """Returns a result with a report and without a SEG."""
        files = [file for file in SEGMENTED["files"] if file["kind"] != "seg"]
        finding = {"code": "fracture", "probability": 0.87}
        return super().segment(values, numbers) | {"files": files, "finding": finding}


class DeliveringRadiograph(Delivering):
    """Delivers a queued radiograph without a SEG, and queues the notice of its finding."""

    def settings(self, root: Path) -> NodeSettings:
        """Returns settings with notices and urgency of findings."""
        wanted = {"notice_url": "http://127.0.0.1:1/", "notice_findings": True, "urgent_findings": True}
        return settings(root).model_copy(update=wanted)

    def prepare(self, root: Path) -> None:
        prepare_database(settings(root))
        inbox = Inbox(root / "data")
        for path in write_views(root / "dx")[:1]:
            part = inbox.new_part()
            shutil.copy(path, part)
            inbox.commit(part, read_instance(path))
        tick(root)

    def run(self, root: Path) -> None:
        node = self.settings(root)

        def attempt(delivery: Json) -> Attempt:
            with (root / "sent").open("a") as sent:
                sent.write(f"{delivery['job_id']} {[file['file'] for file in delivery['files']]}\n")
            return DELIVERED

        with worked_off(node, OneRadiograph(), attempt, announce=partial(announce_finding, node)):
            until(lambda: states(root) == ["delivered"])
            until(lambda: len(notices(root)) == 1)

    def check(self, root: Path) -> None:
        """Checks that the report was sent, and that there is one notice."""
        super().check(root)
        assert (root / "sent").read_text().splitlines()[0].endswith("['sr.dcm']")
        assert [notice["event"] for notice in notices(root)] == ["finding"]


def notices(root: Path) -> list[Json]:
    """Returns the bodies of all queued notices."""
    with client_of(root) as client:
        return [input_of(row) for row in client.list_workflows(name=NOTICE)]


class Starting:
    """Starts a node for the first time."""

    def prepare(self, root: Path) -> None:
        """Leaves the folder empty."""

    def run(self, root: Path) -> None:
        folder = DataFolder(settings(root), NOW)
        prepare_database(settings(root))
        folder.remember()
        Inbox(root / "data").recover()
        assert folder.problem() is None

    def recover(self, root: Path) -> None:
        self.run(root)

    def check(self, root: Path) -> None:
        lay_in(root)
        tick(root)
        assert states(root) == ["queued"]


def states(root: Path) -> list[str]:
    """Returns the states of all jobs, oldest first."""
    with client_of(root) as client:
        return [job.state for job in list_jobs(client)]


def assert_taken_in(root: Path, images: list[int]) -> None:
    """Asserts that each job has its instances, complete."""
    with client_of(root) as client:
        folders = [job_folder(root / "data", job.job_id) for job in list_jobs(client)]
    found = [sorted(folder.input.rglob("*.dcm")) for folder in folders]
    assert [len(paths) for paths in found] == images
    assert {content_hash(path) for path in found[-1]} == {content_hash(path) for path in stored(root)}


def until(true: Callable[[], bool]) -> None:
    """Waits until a condition of the workflows' threads is true."""
    deadline_s = time.monotonic() + WITHIN_S
    while not true():
        assert time.monotonic() < deadline_s, "expected the study to be delivered"
        time.sleep(0.02)


SCENARIOS: dict[str, Scenario] = {
    "receiving": Receiving(), "watching": Watching(), "queueing": Queueing(),
    "queueing late slices": QueueingLateSlices(), "sweeping": Sweeping(), "delivering": Delivering(),
    "starting": Starting(), "delivering a radiograph": DeliveringRadiograph(),
}  # fmt: skip
