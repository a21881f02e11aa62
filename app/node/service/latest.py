"""A value that is read when it is asked for, or the last known one if reading takes too long."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

log = structlog.get_logger()

Value = TypeVar("Value")


class Latest(Generic[Value]):
    """Reads a value in a daemon thread, which may hang without blocking the caller; one read at a time."""

    def __init__(self, look: Callable[[], Value], first: Value) -> None:
        self.look, self.known = look, first
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None

    def value(self, within_s: float) -> Value:
        """Returns the newest value that is available within this time."""
        with self.lock:
            if self.thread is None or not self.thread.is_alive():
                self.thread = threading.Thread(target=self._look, name="latest", daemon=True)
                self.thread.start()
            thread = self.thread
        thread.join(within_s)
        return self.known

    def _look(self) -> None:
        try:
            self.known = self.look()
        except Exception as error:
            log.warning("value_unread", error=type(error).__name__)
