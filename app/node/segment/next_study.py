"""The study that comes next is read while the networks are over the present one."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import structlog
from dbos import DBOSClient
from sqlalchemy.exc import SQLAlchemyError

from app.node.queue.database import open_connection
from app.node.queue.job import job_folder
from app.node.queue.job_state import UNDER_WAY
from app.node.queue.workflow import SEGMENT
from app.node.segment.study_reader import ReadStudy, read_studies, take_volume
from app.node.settings.configuration import NodeSettings
from app.node.watch.heartbeat import SPAWN
from operators.packages.packages import ModelPackage

log = structlog.get_logger()

# How often the queue is looked at while a study is in hand, and how often while none is
LOOK_S, IDLE_LOOK_S = 0.5, 5.0


@dataclass
class Reader:
    """A process that reads studies, the end of the pipe to it, and the job that it was asked for."""

    process: Any
    pipe: Connection
    job_id: str = ""

    def serves(self, job_id: str) -> bool:
        """Whether it lives, and reads no other study than this one."""
        return self.job_id in ("", job_id) and bool(self.process.is_alive())

    def ended(self) -> None:
        """Whatever it is at; a reader that hangs over a study is ended in no other way."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


class NextStudy:
    """Reads one study ahead, of at most `limit_bytes`; `queued` says which job comes next, '' for none.

    What was read is taken or thrown away, the latter also when `is_open` says that its job is removed or has
    ended; a study that is not read in time is read by the worker.
    """

    def __init__(
        self,
        data: Path,
        packages: tuple[ModelPackage, ...],
        limit_bytes: int,
        queued: Callable[[], str],
        is_open: Callable[[str], bool],
    ) -> None:
        self.data, self.packages, self.limit_bytes, self.queued = data, packages, limit_bytes, queued
        self.is_open = is_open
        self.lock, self.busy = threading.Lock(), threading.Event()
        self.reader: Reader | None = None

    def watch(self) -> None:
        """Looks for the next study whenever one is in hand; for a thread of its own."""
        while True:
            if self.busy.wait(IDLE_LOOK_S):
                self.look()
                time.sleep(LOOK_S)
            else:
                self.forget_ended()

    @contextmanager
    def meanwhile(self) -> Iterator[None]:
        """While a study is in hand."""
        self.busy.set()
        try:
            yield
        finally:
            self.busy.clear()

    def look(self) -> None:
        """Has the study that comes next read, unless it is being read or waits already."""
        job_id = self.queued()
        with self.lock:
            if self.reader is not None and not self.reader.serves(job_id):
                self._ended()
            if job_id and (self.reader is None or self.reader.job_id != job_id):
                self._ask(job_id)

    def forget_ended(self) -> None:
        """Gives back the memory of a study that nobody will ask for any more."""
        with self.lock:
            if self.reader is not None and self.reader.job_id and not self.is_open(self.reader.job_id):
                self._ended()

    def taken(self, job_id: str) -> ReadStudy | None:
        """The study of that job, where it was read; the memory of any other goes."""
        with self.lock:
            if self.reader is None or self.reader.job_id != job_id:
                return None
            try:
                if self.reader.pipe.poll():
                    self.reader.job_id = ""
                    return take_volume(self.reader.pipe)
            except (EOFError, OSError) as error:
                log.warning("reader_ended", error=type(error).__name__)
            self._ended()
            return None

    def _ask(self, job_id: str) -> None:
        self.reader = self.reader or start_next_study(self.packages, self.limit_bytes)
        try:
            self.reader.pipe.send(job_folder(self.data, job_id).input)
            self.reader.job_id = job_id
        except OSError:
            self._ended()

    def _ended(self) -> None:
        if self.reader is not None:
            self.reader.ended()
        self.reader = None


def start_next_study(packages: tuple[ModelPackage, ...], limit_bytes: int) -> Reader:
    """A reader, which ends with this process."""
    ours, its = SPAWN.Pipe()
    process = SPAWN.Process(
        target=read_studies, args=(its, os.getpid(), packages, limit_bytes), name="reader", daemon=True
    )
    process.start()
    its.close()
    return Reader(process, ours)


def reading_ahead(
    node: NodeSettings, packages: tuple[ModelPackage, ...], limit_bytes: int
) -> NextStudy | None:
    """Starts the thread that reads the next study ahead; returns None where nothing may be read."""
    if not limit_bytes:
        return None
    client = open_connection(node)
    ahead = NextStudy(
        node.data, packages, limit_bytes, lambda: next_queued(client), lambda job_id: is_open(client, job_id)
    )
    threading.Thread(target=ahead.watch, daemon=True).start()
    return ahead


def next_queued(client: DBOSClient) -> str:
    """The job that a worker takes next, as DBOS orders them; '' where none waits or nobody can say."""
    try:
        rows = client.list_workflows(name=SEGMENT, status="ENQUEUED", load_input=False, load_output=False)
    except SQLAlchemyError as error:
        log.warning("queue_unread", error=type(error).__name__)
        return ""
    first = min(rows, key=lambda row: (row.priority or 0, row.created_at or 0), default=None)
    return first.workflow_id if first else ""


def is_open(client: DBOSClient, job_id: str) -> bool:
    """Whether a job is still to be segmented; True where nobody can say."""
    try:
        rows = client.list_workflows(workflow_ids=[job_id], load_input=False, load_output=False)
    except SQLAlchemyError as error:
        log.warning("queue_unread", error=type(error).__name__)
        return True
    return any(row.status in UNDER_WAY for row in rows)
