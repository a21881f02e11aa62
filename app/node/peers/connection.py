"""A connection to a peer, plain or TLS, whose time limits count from the last byte that the peer accepted.

Bytes in the operating system's buffer do not count as accepted: a slow link may need minutes for them.
"""

from __future__ import annotations

import fcntl
import select
import socket
import ssl
import struct
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

# Interval for checking the operating system's buffer while a peer accepts nothing
LOOK_S = 0.05
# Limit of a single write, so that progress is known while a large block is sent
BLOCK_BYTES = 1 << 16
_READ, _WRITE = select.POLLIN, select.POLLOUT


class PeerConnection:
    """Sends and receives; raises TimeoutError if the peer accepts nothing for `silence_s`.

    One thread sends and receives; any other thread may read `silent_s`.
    """

    def __init__(
        self, connection: socket.socket, silence_s: float, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        connection.setblocking(False)
        self.socket, self.silence_s, self.now_s = connection, silence_s, now_s
        self.unsent, self.progress_s = 0, now_s()

    def secure(self, context: ssl.SSLContext, host: str | None, within_s: float) -> None:
        """Switches to TLS. Raises OSError, also if the handshake takes longer than `within_s`."""
        self.socket = context.wrap_socket(self.socket, server_hostname=host, do_handshake_on_connect=False)
        self._until(self.now_s() + within_s, self.socket.do_handshake, _READ)

    def send(self, content: bytes | memoryview, is_enough: Callable[[], bool] | None = None) -> bool:
        """Sends content; returns False if `is_enough`, which reads answers, ended it. Raises OSError."""
        rest = memoryview(content)
        blocked = _WRITE if is_enough is None else _READ | _WRITE
        self._look(asks=True)
        while rest:
            if is_enough is not None and is_enough():
                return False
            try:
                sent = self.socket.send(rest[:BLOCK_BYTES])
            except (BlockingIOError, ssl.SSLWantWriteError):
                self._wait_for_progress(blocked)
            except ssl.SSLWantReadError:
                self._wait_for_progress(_READ)
            else:
                self._count(sent)
                rest = rest[sent:]
        return True

    def receive(self, at_most: int, deadline_s: float) -> bytes:
        """Returns received bytes, b"" at the end. Raises TimeoutError if none arrive in time, or OSError."""
        return bytes(self._until(deadline_s, lambda: self.socket.recv(at_most), _READ))

    def receive_now(self, at_most: int) -> bytes | None:
        """Returns bytes that have arrived already, b"" at the end, None if there are none. Raises OSError."""
        try:
            return self.socket.recv(at_most)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None

    @property
    def silent_s(self) -> float:
        """Returns the seconds since the peer accepted the last byte."""
        self._look()
        return self.now_s() - self.progress_s

    def is_readable(self) -> bool:
        """Returns whether there is something to read now. Raises OSError, or ValueError if closed."""
        pending = isinstance(self.socket, ssl.SSLSocket) and self.socket.pending()
        return bool(pending or self._poll(_READ, 0))

    def cut(self) -> None:
        """Shuts down the plain socket, which wakes a waiting thread; SSLSocket.shutdown would drop TLS."""
        with suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)
        self.socket.close()

    def _until(self, deadline_s: float, operation: Callable[[], Any], event: int) -> Any:
        while True:
            try:
                return operation()
            except (BlockingIOError, ssl.SSLWantReadError):
                wanted = event
            except ssl.SSLWantWriteError:
                wanted = _WRITE
            left_s = deadline_s - self.now_s()
            if left_s <= 0:
                raise TimeoutError("expected the peer to answer within the time limit, it did not")
            self._poll(wanted, left_s)

    def _wait_for_progress(self, events: int) -> None:
        self._poll(events, LOOK_S)
        if self.silent_s > self.silence_s:
            raise TimeoutError(f"expected the peer to accept data within {self.silence_s} s, it did not")

    def _poll(self, events: int, wait_s: float) -> list[tuple[int, int]]:
        poll = select.poll()
        poll.register(self.socket, events)
        return poll.poll(1000 * wait_s)

    def _count(self, sent: int) -> None:
        """Records progress if less is buffered than before plus what was sent."""
        buffered = self._buffered()
        if buffered < self.unsent + sent:
            self.progress_s = self.now_s()
        self.unsent = buffered

    def _look(self, asks: bool = False) -> None:
        """Records progress if less is buffered; `asks`: a new request restarts the time of an idle peer."""
        buffered = self._buffered()
        if buffered < self.unsent or (asks and buffered == 0):
            self.progress_s = self.now_s()
        self.unsent = buffered

    def _buffered(self) -> int:
        """Returns the number of bytes that the peer has not acknowledged yet."""
        try:
            answer = fcntl.ioctl(self.socket, termios.TIOCOUTQ, bytes(4))
        except (OSError, ValueError):
            return self.unsent
        return int(struct.unpack("i", answer)[0])
