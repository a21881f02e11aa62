"""The link between the node and its processes: heartbeats, and the signal to stop."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.synchronize import Event as ProcessEvent
from queue import Empty, SimpleQueue

import structlog

log = structlog.get_logger()

SPAWN = multiprocessing.get_context("spawn")
# Interval between heartbeats
BEAT_S = 0.5


class Heartbeat:
    """The time of a process's last heartbeat in shared memory; no lock, as a killed process would keep it."""

    def __init__(self) -> None:
        self.last_s = SPAWN.RawValue(ctypes.c_double, 0.0)

    def beat(self) -> None:
        """Records a heartbeat."""
        self.last_s.value = time.monotonic()

    def age_s(self, now_s: float) -> float:
        """Returns the seconds since the last heartbeat; `now_s` is of the system's monotonic clock."""
        return now_s - float(self.last_s.value)


class StopSignal:
    """Handles SIGTERM and SIGINT in the main thread of a process; `again` is called for all but the first.

    A handler runs between any two instructions of the main thread, so it must not take a lock that the thread
    may already hold, as `threading.Event.set` does.
    """

    def __init__(self, again: Callable[[], None] = lambda: None) -> None:
        self.again, self.came, self.wakes = again, False, SimpleQueue[None]()

    def __call__(self, *_: object) -> None:
        """Handles one signal."""
        if self.came:
            self.again()
        self.came = True
        self.wakes.put(None)

    def wait(self, within_s: float) -> bool:
        """Waits at most `within_s` for the signal, and returns whether it has come."""
        if not self.came:
            with suppress(Empty):
                self.wakes.get(timeout=within_s)
        return self.came


@dataclass(frozen=True)
class Life:
    """The messages between a child process and the node: ready, heartbeat, stop."""

    ready: ProcessEvent
    heartbeat: Heartbeat
    stop: StopSignal

    def until_stopped(self, vital: Sequence[threading.Thread], beats: bool = True) -> None:
        """Waits for the stop signal; ends the process, which is then restarted, if a vital thread has died.

        `beats`: send heartbeats from here; otherwise one of the threads does.
        """
        while not self.stop.wait(BEAT_S):
            for thread in vital:
                if not thread.is_alive():
                    log.error("thread_died", thread=thread.name)
                    os._exit(1)
            if beats:
                self.heartbeat.beat()
