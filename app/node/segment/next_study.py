"""Prefetches the next study while the networks process the current one."""

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
from app.node.queue.jobs.job_state import UNDER_WAY
from app.node.queue.workflow import SEGMENT
from app.node.segment.study_reader import ReadStudy, read_studies, take_volume
from app.node.settings.configuration import NodeSettings
from app.node.watch.heartbeat import SPAWN
from operators.packages.packages import ModelPackage

log = structlog.get_logger()

# Intervals for polling the queue while a study is in progress, and while none is
LOOK_S, IDLE_LOOK_S = 0.5, 5.0


@dataclass
class Reader:
    """A process that reads studies, this end of the pipe to it, and the job whose study it reads."""

    process: Any
    pipe: Connection
    job_id: str = ""

    def serves(self, job_id: str) -> bool:
        """Returns whether the process runs and reads no other study."""
        return self.job_id in ("", job_id) and bool(self.process.is_alive())

    def ended(self) -> None:
        """Kills the process, as a reader that hangs cannot be ended otherwise."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


class NextStudy:
    """Prefetches one study of at most `limit_bytes`; `queued` returns the next job, or '' if there is none.

    A prefetched study is used or discarded, the latter also if its job is no longer `is_open`. The worker
    itself reads a study that was not prefetched in time.
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
        """Looks for the next study whenever one is in progress; to be run in its own thread."""
        while True:
            if self.busy.wait(IDLE_LOOK_S):
                self.look()
                time.sleep(LOOK_S)
            else:
                self.forget_ended()

    @contextmanager
    def meanwhile(self) -> Iterator[None]:
        """Marks a study as in progress within the context."""
        self.busy.set()
        try:
            yield
        finally:
            self.busy.clear()

    def look(self) -> None:
        """Requests the next study unless it is being read or was read already."""
        job_id = self.queued()
        with self.lock:
            if self.reader is not None and not self.reader.serves(job_id):
                self._ended()
            if job_id and (self.reader is None or self.reader.job_id != job_id):
                self._ask(job_id)

    def forget_ended(self) -> None:
        """Frees the memory of a study whose job was removed or has ended."""
        with self.lock:
            if self.reader is not None and self.reader.job_id and not self.is_open(self.reader.job_id):
                self._ended()

    def taken(self, job_id: str) -> ReadStudy | None:
        """Returns the study of a job if it was prefetched; frees one that cannot be used."""
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
    """Starts a reader, which ends with this process."""
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
    """Starts the thread that prefetches the next study; returns None if `limit_bytes` is 0."""
    if not limit_bytes:
        return None
    client = open_connection(node)
    ahead = NextStudy(
        node.data, packages, limit_bytes, lambda: next_queued(client), lambda job_id: is_open(client, job_id)
    )
    threading.Thread(target=ahead.watch, daemon=True).start()
    return ahead


def next_queued(client: DBOSClient) -> str:
    """Returns the job that DBOS gives to a worker next; '' if none waits or the database fails."""
    try:
        rows = client.list_workflows(name=SEGMENT, status="ENQUEUED", load_input=False, load_output=False)
    except SQLAlchemyError as error:
        log.warning("queue_unread", error=type(error).__name__)
        return ""
    first = min(rows, key=lambda row: (row.priority or 0, row.created_at or 0), default=None)
    return first.workflow_id if first else ""


def is_open(client: DBOSClient, job_id: str) -> bool:
    """Returns whether a job is still queued or running; True if the database fails."""
    try:
        rows = client.list_workflows(workflow_ids=[job_id], load_input=False, load_output=False)
    except SQLAlchemyError as error:
        log.warning("queue_unread", error=type(error).__name__)
        return True
    return any(row.status in UNDER_WAY for row in rows)
