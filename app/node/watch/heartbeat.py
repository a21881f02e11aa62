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
# How often a process says that it lives
BEAT_S = 0.5


class Heartbeat:
    """When a process last turned, in memory that it shares; without a lock, which a killed one would keep."""

    def __init__(self) -> None:
        self.last_s = SPAWN.RawValue(ctypes.c_double, 0.0)

    def beat(self) -> None:
        """Now."""
        self.last_s.value = time.monotonic()

    def age_s(self, now_s: float) -> float:
        """How long ago; `now_s` is of the clock that never jumps and that all processes share."""
        return now_s - float(self.last_s.value)


class StopSignal:
    """SIGTERM and SIGINT for the main thread of a process; `again` is called for each but the first.

    A handler runs between any two instructions of the main thread: nothing here takes a lock which that
    thread may hold already, as `threading.Event.set` does.
    """

    def __init__(self, again: Callable[[], None] = lambda: None) -> None:
        self.again, self.came, self.wakes = again, False, SimpleQueue[None]()

    def __call__(self, *_: object) -> None:
        """Takes the signal; the second one calls `again`."""
        if self.came:
            self.again()
        self.came = True
        self.wakes.put(None)

    def wait(self, within_s: float) -> bool:
        """Whether it has come; returns at once when it comes."""
        if not self.came:
            with suppress(Empty):
                self.wakes.get(timeout=within_s)
        return self.came


@dataclass(frozen=True)
class Life:
    """The messages between a child process and the node."""

    ready: ProcessEvent
    heartbeat: Heartbeat
    stop: StopSignal

    def until_stopped(self, vital: Sequence[threading.Thread], beats: bool = True) -> None:
        """Waits; where one of its vital threads has died, the process ends and is started anew.

        `beats`: this is the sign of life; else one of the threads gives it.
        """
        while not self.stop.wait(BEAT_S):
            for thread in vital:
                if not thread.is_alive():
                    log.error("thread_died", thread=thread.name)
                    os._exit(1)
            if beats:
                self.heartbeat.beat()
