"""The node's processes: each can be killed without harm, and dies with the one that started it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event as ProcessEvent
from typing import Any

import structlog

from app.library_messages import frames_of

log = structlog.get_logger()

SPAWN = multiprocessing.get_context("spawn")
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
# A process that lived so long was well; the next failure is a new one.
WELL_S = 60.0


@dataclass
class Part:
    """A child process that is started again whenever it ends."""

    name: str
    target: Callable[..., None]
    arguments: tuple[Any, ...]
    ready: ProcessEvent = field(default_factory=SPAWN.Event)
    process: Any = None
    started_s: float = 0.0
    pause_s: float = FIRST_PAUSE_S
    restarts: int = -1

    def start(self, now_s: float) -> None:
        """Starts it; `ready` is set when it can work."""
        self.ready.clear()
        self.process = SPAWN.Process(
            target=run_part, args=(self.name, self.target, self.ready, self.arguments), name=self.name
        )
        self.process.start()
        self.started_s, self.restarts = now_s, self.restarts + 1

    @property
    def is_well(self) -> bool:
        """Running, and ready for work."""
        return self.process is not None and self.process.is_alive() and self.ready.is_set()

    def look_after(self, now_s: float) -> None:
        """Starts it again where it ended, each time after a longer pause while it keeps failing."""
        if self.process is not None and self.process.is_alive():
            return
        if now_s - self.started_s > WELL_S:
            self.pause_s = FIRST_PAUSE_S
        if self.process is None or now_s - self.started_s >= self.pause_s:
            if self.process is not None:
                log.error("part_ended", name=self.name, exit_code=self.process.exitcode)
                self.pause_s = min(2 * self.pause_s, LONGEST_PAUSE_S)
            self.start(now_s)

    def end(self, within_s: float) -> None:
        """Asks it to finish what is in hand; kills it when that takes too long."""
        if self.process is None or not self.process.is_alive():
            return
        self.process.join(within_s)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def run_part(name: str, target: Callable[..., None], ready: ProcessEvent, arguments: tuple[Any, ...]) -> None:
    """The main function of every child."""
    from app.node.logs import configure_logs

    stop = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    threading.Thread(target=die_with_parent, daemon=True).start()
    configure_logs(name)
    threading.excepthook = log_failed_thread
    try:
        target(*arguments, ready, stop)
    except Exception as error:
        log.error("part_failed", traceback=frames_of(error))
        os._exit(1)
    os._exit(0)


def log_failed_thread(failed: threading.ExceptHookArgs) -> None:
    """A broken association, for instance, ends its own threads and no others."""
    trace = frames_of(failed.exc_value) if failed.exc_value else ""
    log.warning("thread_ended", error=failed.exc_type.__name__, traceback=trace)


def end_with_thread(failed: threading.ExceptHookArgs) -> None:
    """A process that works off a queue is deaf without its threads; the next one goes on where it was."""
    log_failed_thread(failed)
    os._exit(1)


def die_with_parent() -> None:
    """No part outlives the node, however that ended: its port and its jobs must be free for the next."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class InHand:
    """Counts what a process is doing, so that it can stop between two pieces of work."""

    def __init__(self) -> None:
        self.count = 0
        self.lock = threading.Lock()

    @contextmanager
    def work(self) -> Iterator[None]:
        """A piece of work."""
        with self.lock:
            self.count += 1
        try:
            yield
        finally:
            with self.lock:
                self.count -= 1

    def wait(self, within_s: float) -> None:
        """Until nothing is in hand, or the time is over."""
        deadline = time.monotonic() + within_s
        while self.count and time.monotonic() < deadline:
            time.sleep(0.05)
