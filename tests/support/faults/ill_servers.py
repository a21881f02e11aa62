"""Misbehaving servers, byte by byte, for tests of sending results."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from ssl import SSLContext

from tests.support.faults.wire import COMMAND, EXPLICIT, LAST, data, element, item, pdu

DRIP_S = 0.05


class Talk:
    """One connection of a client; `said_bytes` counts the bytes that it received."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.said_bytes = 0
        self.heard = bytearray()

    def say(self, *parts: bytes) -> None:
        """Sends parts. Raises OSError if the client is gone."""
        for part in parts:
            self.socket.sendall(part)
            self.said_bytes += len(part)

    def drip(self, content: Iterable[int]) -> None:
        """Sends one byte at a time."""
        for each in content:
            self.say(bytes((each,)))
            time.sleep(DRIP_S)

    def hear(self, count: int) -> bytes:
        """Receives `count` bytes. Raises OSError at the end of the connection."""
        while len(self.heard) < count:
            self._more()
        content = bytes(self.heard[:count])
        del self.heard[:count]
        return content

    def hear_until(self, end: bytes) -> bytes:
        """Receives everything up to and including `end`. Raises OSError."""
        while end not in self.heard:
            self._more()
        return self.hear(self.heard.index(end) + len(end))

    def hear_pdu(self) -> tuple[int, bytes]:
        """Receives a PDU; returns its type and content. Raises OSError."""
        head = self.hear(6)
        return head[0], self.hear(int.from_bytes(head[2:], "big"))

    def hear_until_gone(self) -> None:
        """Receives until the client closes the connection."""
        with suppress(OSError):
            while True:
                self.heard.clear()
                self._more()

    def _more(self) -> None:
        content = self.socket.recv(1 << 16)
        if not content:
            raise ConnectionError("gone")
        self.heard += content


class Ill:
    """A server on loopback that handles every client with `meet`."""

    def __init__(self, meet: Callable[[Talk], object], tls: SSLContext | None) -> None:
        self.meet, self.tls, self.talks = meet, tls, list[Talk]()
        self.door = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.door.getsockname()[1])

    @property
    def said_bytes(self) -> int:
        """Returns the bytes sent over all connections."""
        return sum(talk.said_bytes for talk in self.talks)

    def serve(self) -> None:
        """Accepts connections until the socket is closed."""
        with suppress(OSError):
            while True:
                connection, _ = self.door.accept()
                threading.Thread(target=self.run, args=(connection,), daemon=True).start()

    def run(self, connection: socket.socket) -> None:
        """Handles one client."""
        with suppress(OSError):
            talk = Talk(self.tls.wrap_socket(connection, server_side=True) if self.tls else connection)
            self.talks.append(talk)
            with talk.socket:
                self.meet(talk)


@contextmanager
def ill_server(meet: Callable[[Talk], object], tls: SSLContext | None = None) -> Iterator[Ill]:
    """Runs a misbehaving server in threads of this process."""
    server = Ill(meet, tls)
    threading.Thread(target=server.serve, daemon=True).start()
    try:
        yield server
    finally:
        with suppress(OSError):
            server.door.shutdown(socket.SHUT_RDWR)
        server.door.close()
        for talk in server.talks:
            with suppress(OSError):
                talk.socket.shutdown(socket.SHUT_RDWR)


def association_accept(maximum_length: int = 16384) -> bytes:
    """Encodes an A-ASSOCIATE-AC that accepts the first context (PS3.8 9.3.3)."""
    context = item(0x21, b"\x01\0\0\0" + item(0x40, EXPLICIT.encode()))
    user = item(0x50, item(0x51, struct.pack(">L", maximum_length)) + item(0x52, b"1.2.3"))
    titles = b"PACS".ljust(16) + b"OSTEON".ljust(16) + bytes(32)
    application = item(0x10, b"1.2.840.10008.3.1.1.1")
    return pdu(2, struct.pack(">HH", 1, 0) + titles + application + context + user)


def response(field: int = 0x8001, message_id: int = 1, status: int = 0) -> bytes:
    """Encodes the PDU of a response without a data set, by default a C-STORE-RSP."""
    elements = (
        element(0x0002, b"1.2.840.10008.5.1.4.1.1.2\0")
        + element(0x0100, struct.pack("<H", field))
        + element(0x0120, struct.pack("<H", message_id))
        + element(0x0800, b"\x01\x01")
        + element(0x0900, struct.pack("<H", status))
    )
    return data(element(0, struct.pack("<L", len(elements))) + elements, COMMAND | LAST)


def request(field: int, *more: bytes) -> bytes:
    """Encodes the PDU of a request without a data set."""
    elements = (
        element(0x0002, b"1.2.840.10008.1.1\0")
        + element(0x0100, struct.pack("<H", field))
        + element(0x0110, b"\x07\0")
        + element(0x0800, b"\x01\x01")
        + b"".join(more)
    )
    return data(element(0, struct.pack("<L", len(elements))) + elements, COMMAND | LAST)


def accepted(talk: Talk) -> None:
    """Accepts the association."""
    assert talk.hear_pdu()[0] == 1
    talk.say(association_accept())


def take_file(talk: Talk) -> None:
    """Receives a complete C-STORE-RQ with its data set."""
    while True:
        kind, content = talk.hear_pdu()
        assert kind == 4
        if content[5] == LAST:
            return
