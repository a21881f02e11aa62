"""`osteon serve`: starts the parts, queues complete studies, looks after the parts, stops them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import structlog
from dbos import DBOSClient
from sqlalchemy.exc import SQLAlchemyError

from app.node import metrics
from app.node.audit import STARTED, STOPPED
from app.node.database import connected, make_data_folder, prepare_database
from app.node.dispatcher import Dispatcher
from app.node.inbox import Inbox
from app.node.logs import configure_logs
from app.node.parts import (
    MEGABYTE,
    audit_trail,
    executor_name,
    listener_part,
    now_s,
    sender_part,
    worker_part,
)
from app.node.process import Part
from app.node.retention import sweep
from app.node.time_limit import Deadline, Worker
from app.node.watched_folder import WatchedFolder
from app.node.web import serve_http
from app.series_job import allow_deep_stack
from app.settings import Settings

log = structlog.get_logger()

TICK_S = 0.2
Look = Callable[[], object]
SWEEP_S = 60.0


class Node:
    """All parts of a running node."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.node = settings, settings.node
        self.stopping = threading.Event()
        self.next_sweep_s = 0.0
        workers: list[Part] = [self.worker(n) for n in range(self.node.workers)]
        by_role = {
            "receive": [Part("listener", listener_part, (settings,))],
            "send": [Part("sender", sender_part, (settings, executor_name("sender")))],
            "segment": workers,
        }
        self.parts = [part for role, parts in by_role.items() if role in self.node.roles for part in parts]

    def worker(self, number: int) -> Worker:
        """One that segments."""
        deadline = Deadline()
        arguments = (self.settings, executor_name("worker", number), deadline)
        return Worker(f"worker-{number}", worker_part, arguments, data=self.node.data, deadline=deadline)

    @property
    def ill(self) -> list[str]:
        """Parts that do not work now."""
        return [part.name for part in self.parts if not part.is_well]

    def run(self) -> None:
        """Until it is told to stop."""
        make_data_folder(self.node.data)
        allow_deep_stack()
        metrics.use_folder(self.node.data / "metrics" / os.uname().nodename)
        prepare_database(self.node)
        for part in self.parts:
            part.start(now_s())
        client = connected(self.node)
        web = serve_http(self, client)
        looks = self.looks(client) if "receive" in self.node.roles else []
        trail = audit_trail(self.settings)
        trail.application(STARTED)
        while not self.stopping.wait(TICK_S):
            self.look_after()
            for look in looks:
                self.attempt(look)
        self.stop()
        trail.application(STOPPED)
        web.should_exit = True

    def looks(self, client: DBOSClient) -> list[Look]:
        """What the machine that receives does again and again."""
        inbox = Inbox(self.node.data, "watch")
        dispatcher = Dispatcher(self.node, client, lambda: datetime.now().astimezone())
        found: list[Look] = [lambda: dispatcher.tick(now_s()), lambda: self.sweep(client)]
        if self.node.watch is None:
            return found
        watched = WatchedFolder(
            self.node.watch, inbox, self.node.watch_settled_s,
            minimum_free_bytes=self.node.minimum_free_mb * MEGABYTE,
        )  # fmt: skip
        return [watched.look, *found]

    def sweep(self, client: DBOSClient) -> None:
        """Once a minute."""
        if now_s() >= self.next_sweep_s:
            self.next_sweep_s = now_s() + SWEEP_S
            sweep(self.node, client, time.time() * 1000)

    def look_after(self) -> None:
        """Starts parts again that ended."""
        for part in self.parts:
            part.look_after(now_s())

    def attempt(self, look: Look) -> None:
        """One look; where the database or the disk fails, the next one tries again."""
        try:
            look()
        except (SQLAlchemyError, OSError) as error:
            log.error("look_postponed", error=type(error).__name__)

    def stop(self) -> None:
        """The listener first, so that nothing comes in; then the others, each with its work in hand."""
        log.info("stopping")
        for part in self.parts:
            if part.process is not None and part.process.is_alive():
                part.process.terminate()
        deadline_s = now_s() + self.node.grace_s + 5
        for part in self.parts:
            part.end(max(0.0, deadline_s - now_s()))


def serve(settings: Settings, configuration: Path | None = None) -> int:
    """The command; `configuration` is the file that the settings were read from."""
    configure_logs("node")
    log.info("settings_read", file=str(configuration.resolve()) if configuration else "")
    node = Node(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: node.stopping.set())
    if not settings.node.sources:
        log.warning("no_peers", sentence="no peer may send to this node: name one in app.yaml or by --peer")
    began = time.monotonic()
    threading.Thread(target=announce, args=(node, began), daemon=True).start()
    node.run()
    return 0


def announce(node: Node, began: float) -> None:
    """Says when everything is ready."""
    while node.ill and not node.stopping.wait(0.1):
        pass
    log.info("ready", seconds=round(time.monotonic() - began, 1))
