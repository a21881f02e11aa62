"""Periodic tasks of the node, each in its own thread, so that one that fails or hangs stops no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.library_messages import error_values
from app.node.watch.backoff import Backoff
from operators.errors import TransientError, as_osteon_error

log = structlog.get_logger()

# Longest pause while turns fail
LONGEST_PAUSE_S = 10.0


class Loop:
    """Calls `turn` every `pause_s`, less often while it fails; after `silent_s` it counts as hanging."""

    def __init__(
        self,
        name: str,
        turn: Callable[[], object],
        pause_s: float,
        silent_s: float,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.turn, self.pause_s, self.silent_s, self.now_s = name, turn, pause_s, silent_s, now_s
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, name=name, daemon=True)
        self.turned_s, self.failures, self.has_turned = now_s(), 0, False

    def start(self) -> None:
        """Starts the loop. Raises RuntimeError if no thread can be created."""
        self.turned_s = self.now_s()
        self.thread.start()

    @property
    def has_died(self) -> bool:
        """Returns whether the thread has ended without being asked to."""
        return self.thread.ident is not None and not self.thread.is_alive() and not self.stopping.is_set()

    @property
    def is_well(self) -> bool:
        """Returns whether the loop runs and its last turn succeeded."""
        is_silent = self.now_s() - self.turned_s > self.silent_s
        return self.has_turned and self.failures == 0 and self.thread.is_alive() and not is_silent

    def run(self) -> None:
        """Repeats turns until `stopping` is set."""
        pause_s, backoff = 0.0, Backoff(self.pause_s, LONGEST_PAUSE_S)
        while not self.stopping.wait(pause_s):
            self.turned_s = self.now_s()
            self.failures = 0 if self.attempt() else self.failures + 1
            self.turned_s, self.has_turned = self.now_s(), True
            pause_s = backoff.after(max(pause_s, self.pause_s)) if self.failures else self.pause_s

    def attempt(self) -> bool:
        """Runs one turn, logs its failure if any, and returns whether it succeeded."""
        try:
            self.turn()
        except Exception as error:
            self._log_failure(error)
            return False
        return True

    def _log_failure(self, error: Exception) -> None:
        known = as_osteon_error(error)
        if isinstance(error, SQLAlchemyError):
            log.error("look_postponed", look=self.name, code="database", error=type(error).__name__)
        elif isinstance(known, TransientError) or (known is None and isinstance(error, OSError)):
            log.error("look_postponed", look=self.name, **error_values(error))
        else:
            log.error("look_failed", look=self.name, **error_values(error))
