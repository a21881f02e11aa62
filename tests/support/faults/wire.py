"""Encodes what a hostile peer sends, byte by byte, without any checks."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT, IMPLICIT, DEFLATED = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99"
COMMAND, LAST = 1, 2


def pdu(kind: int, content: bytes, length: int | None = None) -> bytes:
    """Encodes a PDU (PS3.8 9.3); `length` replaces its true length."""
    return struct.pack(">BBL", kind, 0, len(content) if length is None else length) + content


def item(kind: int, content: bytes) -> bytes:
    """Encodes an item of an A-ASSOCIATE-RQ."""
    return struct.pack(">BBH", kind, 0, len(content)) + content


def association_request(
    syntax: str = EXPLICIT,
    calling: str = "CT1",
    sop_class: str = CT,
    called: str = "OSTEON",
    padding: bytes = b" ",
    contexts: int = 1,
    more: bytes = b"",
    users: bytes = b"",
) -> bytes:
    """Encodes an A-ASSOCIATE-RQ for one storage class.

    `more` are further items, `users` further sub-items of the user information.
    """
    syntaxes = item(0x30, sop_class.encode()) + item(0x40, syntax.encode())
    context = b"".join(item(0x20, bytes((2 * n % 256 + 1, 0, 0, 0)) + syntaxes) for n in range(contexts))
    user = item(0x50, item(0x51, struct.pack(">L", 16384)) + item(0x52, b"1.2.3") + users)
    titles = called.encode().ljust(16, padding) + calling.encode().ljust(16, padding) + bytes(32)
    application = item(0x10, b"1.2.840.10008.3.1.1.1")
    return pdu(1, struct.pack(">HH", 1, 0) + titles + application + context + more + user)


def element(number: int, value: bytes) -> bytes:
    """Encodes an element of a command set."""
    return struct.pack("<HHL", 0, number, len(value)) + value


def store_command(sop_instance_uid: str, sop_class_uid: str = CT, message_id: int = 1) -> bytes:
    """Encodes a C-STORE-RQ."""
    elements = (
        element(0x0002, sop_class_uid.encode())
        + element(0x0100, b"\x01\0")
        + element(0x0110, struct.pack("<H", message_id))
        + element(0x0700, b"\0\0")
        + element(0x0800, b"\0\0")
        + element(0x1000, sop_instance_uid.encode())
    )
    return element(0, struct.pack("<L", len(elements))) + elements


def data(content: bytes, control: int, context_id: int = 1) -> bytes:
    """Encodes a P-DATA-TF with one fragment."""
    return pdu(4, struct.pack(">LBB", len(content) + 2, context_id, control) + content)


def store(sop_instance_uid: str, dataset: bytes, step: int = 100_000) -> Iterator[bytes]:
    """Yields the PDUs of a C-STORE."""
    yield data(store_command(sop_instance_uid), COMMAND | LAST)
    for start in range(0, len(dataset), step):
        last = start + step >= len(dataset)
        yield data(dataset[start : start + step], LAST if last else 0)


class Wire:
    """A connection to the listener."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def say(self, *parts: bytes) -> None:
        """Sends everything, or as much as the other side accepts."""
        try:
            for part in parts:
                self.socket.sendall(part)
        except OSError:
            return

    def heard(self) -> tuple[int, bytes]:
        """Returns type and content of the next PDU; type 0: the connection is closed."""
        try:
            head = self._exactly(6)
            return (head[0], self._exactly(int.from_bytes(head[2:], "big"))) if head else (0, b"")
        except OSError:
            return 0, b""

    def associated(self, **given: Any) -> Wire:
        """Opens an association."""
        self.say(association_request(**given))
        assert self.heard()[0] == 2
        return self

    def status(self) -> int:
        """Returns the status of the next C-STORE-RSP; -1 for anything else or no answer."""
        kind, content = self.heard()
        at = content.find(struct.pack("<HHL", 0, 0x0900, 2))
        return int.from_bytes(content[at + 8 : at + 10], "little") if kind == 4 and at > 0 else -1

    def _exactly(self, count: int) -> bytes:
        content = b""
        while len(content) < count:
            more = self.socket.recv(count - len(content))
            if not more:
                return b""
            content += more
        return content


@contextmanager
def connected(port: int) -> Iterator[Wire]:
    """Opens a connection for the context."""
    wire = Wire(port)
    try:
        yield wire
    finally:
        wire.socket.close()


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Changes, removes, duplicates or inserts a few bytes."""
    altered = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(altered) or 1)
        match chance.randrange(5):
            case 0:
                altered[at : at + 1] = bytes((chance.randrange(256),))
            case 1:
                del altered[at : at + chance.randint(1, 40)]
            case 2:
                altered[at:at] = chance.randbytes(chance.randint(1, 40))
            case 3:
                altered[at : at + 4] = chance.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"))
            case _:
                altered += altered[at : at + 100]
    return bytes(altered)
