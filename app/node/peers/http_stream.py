"""HTTP connections with limits on how long a server may accept nothing, and how long it may take to answer.

httpcore itself limits single reads only, and notices an early answer only after it has sent everything.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpcore

from app.node.peers.connection import LOOK_S, PeerConnection

READ_BYTES = 1 << 16
# Status lines of interim answers, such as 100 Continue (RFC 9110 15.2)
INTERIM = (b"HTTP/1.1 1", b"HTTP/1.0 1")


@dataclass(frozen=True)
class HttpLimits:
    """Limits for a server: `silence_s` limits accepting data, starting the answer, and finishing it."""

    silence_s: float
    connect_s: float
    # Headers, body and framing, as transferred
    answer_bytes: int


class LimitedBackend(httpcore.NetworkBackend):
    """Opens streams with limits."""

    def __init__(self, limits: HttpLimits) -> None:
        self.limits = limits

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Opens a connection. Raises ConnectError."""
        del timeout, local_address, socket_options
        try:
            connection = socket.create_connection((host, port), self.limits.connect_s)
        except OSError as error:
            raise httpcore.ConnectError("expected a server that accepts connections, got none") from error
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return LimitedStream(PeerConnection(connection, self.limits.silence_s), self.limits)


class LimitedStream(httpcore.NetworkStream):
    """One connection for one request; reads while it writes, so that an early answer ends the upload."""

    def __init__(self, peer: PeerConnection, limits: HttpLimits) -> None:
        self.peer, self.limits = peer, limits
        self.early = b""
        self.is_at_end = False
        self.received_bytes = 0
        self.deadline_s: float | None = None

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Sends the buffer. Raises WriteTimeout, or WriteError if an answer or the end arrives before."""
        del timeout
        try:
            if not self.peer.send(buffer, self._is_answered):
                raise httpcore.WriteError("expected to send the whole request, got an answer before")
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.WriteError("expected the server to keep the connection, it did not") from error

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Reads from the answer. Raises ReadTimeout, or ReadError, also for an answer that is too long."""
        del timeout
        if self.early or self.is_at_end:
            content, self.early = self.early[:max_bytes], self.early[max_bytes:]
            return content
        try:
            return self._counted(self._received(max_bytes))
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ReadError("expected the server to keep the connection, it did not") from error

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Switches the connection to TLS. Raises ConnectError."""
        del timeout
        try:
            self.peer.secure(ssl_context, server_hostname, self.limits.connect_s)
        except (OSError, ValueError) as error:
            self.close()
            raise httpcore.ConnectError("expected a server that speaks TLS, it does not") from error
        return self

    def close(self) -> None:
        """Ends the connection."""
        self.peer.cut()

    def get_extra_info(self, info: str) -> Any:
        """Returns the properties of the connection that httpcore asks for."""
        known = {"socket": self.peer.socket, "is_readable": self.is_at_end or bool(self.early)}
        return known.get(info)

    def _is_answered(self) -> bool:
        """Buffers what arrives during sending; returns whether that begins a final answer or is the end."""
        received = self.peer.receive_now(READ_BYTES)
        if received is not None:
            self.early += self._counted(received)
            self.is_at_end = received == b""
        return self.is_at_end or begins_final(self.early)

    def _received(self, at_most: int) -> bytes:
        """Receives bytes; limits the wait for the first one, then the time of the whole answer."""
        while self.deadline_s is None:
            if self.peer.silent_s > self.limits.silence_s:
                raise TimeoutError(f"expected an answer within {self.limits.silence_s} s, got none")
            with suppress(TimeoutError):
                content = self.peer.receive(at_most, self.peer.now_s() + LOOK_S)
                if not content.startswith(INTERIM):
                    self.deadline_s = self.peer.now_s() + self.limits.silence_s
                return content
        return self.peer.receive(at_most, self.deadline_s)

    def _counted(self, content: bytes) -> bytes:
        self.received_bytes += len(content)
        if self.received_bytes > self.limits.answer_bytes:
            raise OSError(f"expected an answer of at most {self.limits.answer_bytes} bytes, got more")
        return content


def begins_final(content: bytes) -> bool:
    """Returns whether a final answer begins after any interim ones."""
    while content.startswith(INTERIM):
        _, end, content = content.partition(b"\r\n\r\n")
        if not end:
            return False
    return len(content) >= len(INTERIM[0])
