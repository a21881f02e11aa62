"""How often a worker asks for its next study: often while studies follow one another, seldom while idle."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from app.node.queue.abandoned import Running

# A poll reads the database: of an idle worker for 2 to 4 ms of a core, of one with a study for less than 1 ms
BUSY_S, IDLE_S = 0.02, 0.05
# Studies within this time of each other follow one another
FOLLOWING_S = 2.0
# Interval for adjusting
ADJUST_S = 0.5


class PolledQueue(Protocol):
    """A queue of DBOS that is kept in the database."""

    def set_polling_interval_sec(self, value: float) -> None:
        """Changes the interval from the next poll on."""


class Polling:
    """The interval at which a worker polls its queue, which is registered with `IDLE_S`."""

    def __init__(
        self, queue: PolledQueue, running: Running, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.queue, self.running, self.now_s = queue, running, now_s
        self.interval_s, self.busy_s = IDLE_S, float("-inf")

    def adjust(self) -> None:
        """Sets the interval that fits the work of the last seconds. Raises SQLAlchemyError."""
        if self.running.ids:
            self.busy_s = self.now_s()
        wanted_s = BUSY_S if self.now_s() - self.busy_s < FOLLOWING_S else IDLE_S
        if wanted_s != self.interval_s:
            self.queue.set_polling_interval_sec(wanted_s)
            self.interval_s = wanted_s
