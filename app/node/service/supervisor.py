"""`osteon serve`: starts, supervises and stops the parts of the node, and queues complete studies."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import structlog
from dbos import DBOSClient

from app.library_messages import error_values
from app.node.queue.database import open_connection, prepare_database
from app.node.segment.time_limit import Deadline, Worker
from app.node.service.background_loops import background_loops
from app.node.service.parts import (
    executor_name,
    listener_part,
    messages_part,
    now_s,
    sender_part,
    worker_part,
)
from app.node.service.web import Web
from app.node.settings.ignored import ignored_settings
from app.node.storage.data_folder import DataFolder, DataFolderError, Problem
from app.node.storage.disk import MEGABYTE, Disk
from app.node.storage.inbox import Inbox
from app.node.watch import metrics
from app.node.watch.audit import STARTED, STOPPED, audit_trail
from app.node.watch.board import StatusBoard
from app.node.watch.heartbeat import Life, StopSignal
from app.node.watch.logs import configure_logs
from app.node.watch.process import PartError, ServicePart
from app.settings import Settings
from operators.errors import OsteonError, OutputError, shortage
from operators.process.memory import allow_deep_stack

log = structlog.get_logger()

TICK_S = 0.2
# Longer than the interval between two turns of the supervising loop, unless the whole node was suspended
STOOD_STILL_S = 5.0
KILLED = 128 + signal.SIGTERM
# The function of the process that serves the page for people
Page = Callable[[Settings, StatusBoard, Life], None]


class Node:
    """All parts of a running node. The main thread never blocks: whatever may hang has its own thread."""

    def __init__(self, settings: Settings, page: Page | None = None) -> None:
        self.settings, self.node = settings, settings.node
        self.board = StatusBoard()
        self.stop_signal = StopSignal(self.end_at_once)
        self.turned_s, self.is_ready = now_s(), False
        self.client: DBOSClient = open_connection(self.node, lazy=True)
        self.folder: DataFolder | None = None
        self.problem: Problem | None = None
        self.disk = Disk(self.node.data, self.node.minimum_free_mb * MEGABYTE)
        by_role: dict[str, Sequence[ServicePart]] = {
            "receive": [ServicePart("listener", listener_part, (settings,))],
            "send": [ServicePart("sender", sender_part, (settings, executor_name("sender")))],
            "segment": [self.worker(n) for n in range(self.node.workers)],
        }
        self.parts = [part for role, parts in by_role.items() if role in self.node.roles for part in parts]
        if self.node.messages is not None and "send" in self.node.roles:
            self.parts.append(ServicePart("messages", messages_part, (settings,)))
        if page is not None and self.node.web is not None:
            self.parts.append(ServicePart("web", page, (settings, self.board)))
        self.loops = background_loops(self.node, self.client, self.disk, self.watch_data_folder)

    def worker(self, number: int) -> Worker:
        """Returns the worker with this number."""
        deadline = Deadline()
        arguments = (self.settings, executor_name("worker", number), deadline)
        return Worker(f"worker-{number}", worker_part, arguments, data=self.node.data, deadline=deadline)

    def ill(self, now_s: float) -> list[str]:
        """Returns the names of parts and loops that do not work now; reads memory only."""
        names = [part.name for part in self.parts if not part.is_well or part.is_silent(now_s)]
        names += [loop.name for loop in self.loops if not loop.is_well]
        if self.problem is not None:
            names.append(self.problem.code)
        if self.disk.is_low and "disk" not in names:
            names.append("disk")
        return names if self.is_turning(now_s) else ["node", *names]

    def is_turning(self, now_s: float) -> bool:
        """Returns whether the supervising loop runs."""
        return now_s - self.turned_s < 2 * STOOD_STILL_S

    def run(self) -> None:
        """Runs the node until the stop signal. Raises OsteonError if it cannot start or cannot continue."""
        began_s, web = now_s(), Web(self)
        allow_deep_stack()
        try:
            self.prepare_folder()
            web.start()
            if self.prepare():
                self.supervise(web, began_s)
        finally:
            self.stop()
            web.stop()

    def prepare_folder(self) -> None:
        """Claims the data folder. Raises OutputError if it cannot be written or another node holds it."""
        try:
            self.folder = DataFolder(self.node, datetime.now().astimezone())
            metrics.use_folder(self.node.data / "metrics" / os.uname().nodename)
        except OSError as error:
            text = f"expected to write into the data folder {self.node.data}, got: {error.strerror}"
            raise OutputError(text) from error

    def prepare(self) -> bool:
        """Creates the tables of the database and removes what a crash left in the inbox.

        Returns False if the stop signal came meanwhile. Raises OsteonError.
        """
        errors: list[Exception] = []

        def make() -> None:
            try:
                prepare_database(self.node)
                assert self.folder is not None
                self.folder.remember()
                if "receive" in self.node.roles or self.node.stow:
                    Inbox(self.node.data).recover()
            except Exception as error:
                errors.append(error)

        thread = threading.Thread(target=make, name="prepare", daemon=True)
        thread.start()
        while thread.is_alive() and not self.stop_signal.wait(TICK_S / 4):
            self.turned_s = now_s()
        if errors:
            raise errors[0]
        return not self.stop_signal.came

    def supervise(self, web: Web, began_s: float) -> None:
        """Starts the loops and parts and supervises them until the stop signal."""
        for loop in self.loops:
            loop.start()
        trail = audit_trail(self.settings.node)
        trail.application(STARTED)
        while True:
            self.turn(web)
            if not self.is_ready and not self.ill(now_s()):
                self.is_ready = True
                log.info("ready", seconds=round(now_s() - began_s, 1))
            if self.stop_signal.wait(TICK_S):
                break
        trail.application(STOPPED)

    def turn(self, web: Web) -> None:
        """Checks every part once. Raises PartError if a part or a thread cannot continue."""
        if now_s() - self.turned_s > STOOD_STILL_S:
            for part in self.parts:
                part.heartbeat.beat()
        self.turned_s = now_s()
        for part in self.parts:
            self.look_after(part)
        if self.node.web is not None:
            self.board.write(self.status())
        dead = [loop.name for loop in self.loops if loop.has_died] + ["http"] * web.has_died
        if dead:
            raise PartError(f"expected the node's threads to run, these have ended: {dead}", "defect", 1)

    def status(self) -> dict[str, object]:
        """Returns what the page shows of the node: which parts work, and the disk; reads memory only."""
        ill = self.ill(now_s())
        restarts = {part.name: part.restarts for part in self.parts}
        loops = {loop.name: loop.is_well for loop in self.loops}
        return {"ill": ill, "restarts": restarts, "loops": loops, "disk": self.disk.figures()}

    def look_after(self, part: ServicePart) -> None:
        """Restarts a part that has ended; if no process can be created, the next turn tries again."""
        try:
            part.look_after(now_s())
        except PartError:
            raise
        except Exception as error:
            log.error("part_not_started", name=part.name, **error_values(error))

    def watch_data_folder(self) -> None:
        """Ends the node with exit code 6 if its data folder is no longer the one that it started with.

        Instances are safe until then: `Inbox.commit` succeeds only if the final name refers to the file.
        """
        assert self.folder is not None
        before, self.problem = self.problem, self.folder.problem()
        if self.problem is not None and self.problem != before:
            log.error(self.problem.code, sentence=self.problem.sentence)
        if self.problem is not None and self.problem.is_final:
            self.end_at_once(DataFolderError.exit_code)

    def stop(self) -> None:
        """Stops all parts, the listener first; each may finish its work in progress.

        HTTP keeps running, so that /health answers; what STOW-RS receives is queued at the next start.
        """
        log.info("stopping")
        for loop in self.loops:
            loop.stopping.set()
        for part in self.parts:
            if part.is_alive:
                # A part that is not ready has no work in progress, and may hang
                (part.process.terminate if part.is_well else part.process.kill)()
        deadline_s = now_s() + self.node.grace_s + 5
        for part in self.parts:
            part.end(max(0.0, deadline_s - now_s()))
        for loop in self.loops:
            if loop.thread.is_alive():
                loop.thread.join(TICK_S)

    def end_at_once(self, code: int = KILLED) -> None:
        """Kills all parts and exits, for example on the second SIGTERM; nothing acknowledged is lost."""
        for part in self.parts:
            if part.process is not None and part.process.pid is not None:
                part.process.kill()
        os._exit(code)


def serve(settings: Settings, configuration: Path | None = None, page: Page | None = None) -> int:
    """Runs the command; `configuration` is the file that the settings were read from, `page` runs the page.

    Raises OsteonError if the node cannot start or cannot continue.
    """
    configure_logs("node")
    log.info("settings_read", file=str(configuration.resolve()) if configuration else "")
    node = Node(settings, page)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, node.stop_signal)
    for sentence in ignored_settings(settings.node):
        log.warning("setting_ignored", sentence=sentence)
    if not settings.node.sources:
        log.warning("no_peers", sentence="no peer may send to this node; add one in app.yaml or with --peer")
    try:
        node.run()
    except OsteonError as error:
        log.error("node_ended", code=error.code, sentence=str(error))
        raise
    except Exception as error:
        if (short := shortage(error)) is None:
            raise
        raise short from error
    return 0
