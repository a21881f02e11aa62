"""Limits of the HTTP port: how many connections, and how long each may take over what.

uvicorn's own limit counts requests that are answered; it gives a head or a body that does not come all time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

log = structlog.get_logger()

# A head of this length, h11's own limit too, within this time, also on a connection that was used before.
HEAD_BYTES, HEAD_S = 16 << 10, 10.0
# Of a body so much must come within each stretch of time: 1 KB/s.
BODY_BYTES, BODY_S = 64 << 10, 64.0
# From the end of the body to the end of the answer, and to its taking by the peer.
ANSWER_S = 120.0
CHECK_S, REMINDER_S = 1.0, 60.0


class BoundedProtocol(H11Protocol):
    """One connection. Where all places are taken, the longest silent one makes room for the new one."""

    most_connections = 128
    body_s, head_s, answer_s = BODY_S, HEAD_S, ANSWER_S
    now_s: Callable[[], float] = staticmethod(time.monotonic)
    told_s = -REMINDER_S

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Also begins to watch it."""
        self.since_s, self.body_bytes, self.stage = self.now_s(), 0, "head"
        idle = [each for each in self.connections if isinstance(each, BoundedProtocol) and each.is_idle]
        is_full = len(self.connections) >= self.most_connections
        super().connection_made(transport)
        if is_full:
            self._tell()
            (min(idle, key=lambda each: each.since_s) if idle else self).drop()
        self.watch: asyncio.TimerHandle | None = self.loop.call_later(CHECK_S, self._check)

    def connection_lost(self, exc: Exception | None) -> None:
        """Watches it no more."""
        if self.watch is not None:
            self.watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Also counts."""
        self.body_bytes += len(data)
        if not self.transport.is_closing():
            super().data_received(data)
        self._follow()

    def on_response_complete(self) -> None:
        """The next head is waited for anew."""
        super().on_response_complete()
        self._follow()

    @property
    def is_idle(self) -> bool:
        """Whether no request is being read or answered."""
        return self.cycle is None or bool(self.cycle.response_complete)

    def drop(self) -> None:
        """Ends it at once, whatever was not yet sent."""
        self.connections.discard(self)
        self.transport.abort()

    def _tell(self) -> None:
        """At bounded intervals."""
        kind = type(self)
        if self.now_s() - kind.told_s >= REMINDER_S:
            kind.told_s = self.now_s()
            log.warning("http_full", connections=self.most_connections)

    def _follow(self) -> None:
        """The time begins anew with each stage, and each request."""
        stage = "head" if self.is_idle else "body" if self.cycle.more_body else "answer"
        if stage != self.stage or (stage == "body" and self.body_bytes >= BODY_BYTES):
            self.stage, self.since_s, self.body_bytes = stage, self.now_s(), 0

    def _check(self) -> None:
        self._follow()
        if self.stage == "body" and self.flow.read_paused:
            # It is we who do not read: the disk is slow
            self.since_s = self.now_s()
        limits_s = {"head": self.head_s, "body": self.body_s, "answer": self.answer_s}
        if self.now_s() - self.since_s > limits_s[self.stage]:
            self.drop()
            return
        self.watch = self.loop.call_later(CHECK_S, self._check)


def bounded(most_connections: int, **limits_s: Any) -> type[BoundedProtocol]:
    """The protocol class with its limits, as uvicorn makes it without arguments of ours."""
    return type("Bounded", (BoundedProtocol,), {"most_connections": most_connections, **limits_s})
