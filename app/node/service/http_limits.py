"""Limits of the HTTP port: the number of connections, and the time that each stage of a request may take.

uvicorn's own limit counts only requests that are being answered; for a slow head or body it waits forever.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

log = structlog.get_logger()

# Maximum size of a head, also set as h11's limit, and the time for it, also on a reused connection.
HEAD_BYTES, HEAD_S = 16 << 10, 10.0
# At least this much of a body must arrive in each interval: 1 KB/s.
BODY_BYTES, BODY_S = 64 << 10, 64.0
# From the end of the body until the peer has received the answer.
ANSWER_S = 120.0
CHECK_S, REMINDER_S = 1.0, 60.0


class BoundedProtocol(H11Protocol):
    """One connection. If there are too many, the longest idle one is closed to make room for a new one."""

    most_connections = 128
    body_s, head_s, answer_s = BODY_S, HEAD_S, ANSWER_S
    now_s: Callable[[], float] = staticmethod(time.monotonic)
    logged_s = -REMINDER_S

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts the time limits of a new connection."""
        self.since_s, self.body_bytes, self.stage = self.now_s(), 0, "head"
        idle = [each for each in self.connections if isinstance(each, BoundedProtocol) and each.is_idle]
        is_full = len(self.connections) >= self.most_connections
        super().connection_made(transport)
        if is_full:
            self._log_full()
            (min(idle, key=lambda each: each.since_s) if idle else self).drop()
        self.watch: asyncio.TimerHandle | None = self.loop.call_later(CHECK_S, self._check)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the time limits."""
        if self.watch is not None:
            self.watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Counts the received bytes."""
        self.body_bytes += len(data)
        if not self.transport.is_closing():
            super().data_received(data)
        self._follow()

    def on_response_complete(self) -> None:
        """Starts the time limit for the next head."""
        super().on_response_complete()
        self._follow()

    @property
    def is_idle(self) -> bool:
        """Returns whether no request is being read or answered."""
        return self.cycle is None or bool(self.cycle.response_complete)

    def drop(self) -> None:
        """Closes the connection at once and discards unsent data."""
        self.connections.discard(self)
        self.transport.abort()

    def _log_full(self) -> None:
        """Logs that there are too many connections, at most once per `REMINDER_S`."""
        kind = type(self)
        if self.now_s() - kind.logged_s >= REMINDER_S:
            kind.logged_s = self.now_s()
            log.warning("http_full", connections=self.most_connections)

    def _follow(self) -> None:
        """Restarts the time with each stage of each request, and with each sufficient part of a body."""
        stage = "head" if self.is_idle else "body" if self.cycle.more_body else "answer"
        if stage != self.stage or (stage == "body" and self.body_bytes >= BODY_BYTES):
            self.stage, self.since_s, self.body_bytes = stage, self.now_s(), 0

    def _check(self) -> None:
        self._follow()
        if self.stage == "body" and self.flow.read_paused:
            # The node itself has stopped reading, as the disk is slow
            self.since_s = self.now_s()
        limits_s = {"head": self.head_s, "body": self.body_s, "answer": self.answer_s}
        if self.now_s() - self.since_s > limits_s[self.stage]:
            self.drop()
            return
        self.watch = self.loop.call_later(CHECK_S, self._check)


def bounded(most_connections: int, **limits_s: Any) -> type[BoundedProtocol]:
    """Returns a protocol class with these limits, as uvicorn instantiates the class itself."""
    return type("Bounded", (BoundedProtocol,), {"most_connections": most_connections, **limits_s})
