"""Peers that mean harm, or are broken, neither stop the listener nor leave anything in the inbox."""

from __future__ import annotations

import random
import socket
import struct
import threading
import zlib
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from pynetdicom.dimse_primitives import C_STORE

from app.node.inbox import Inbox
from operators.dicom.file_meta import file_head
from operators.dicom.instance_identity import read_instance
from operators.errors import UnreadableError
from tests import phantoms
from tests.integration.node_cases import Running, associate, dcmtk, exchanged, listening, node_settings, send

AFFINE = phantoms.axial_affine()
HU = phantoms.position_volume((64, 64, 2), AFFINE)
CT = "1.2.840.10008.5.1.4.1.1.2"
ROUNDS = 400


def still_serves(node: Running) -> bool:
    return dcmtk("echoscu", "127.0.0.1", node.port)[0] == 0


def connected(node: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", node.port), timeout=10)


def request() -> bytes:
    """A whole A-ASSOCIATE-RQ of CT1 for CT images (PS3.8 9.3.2)."""

    def item(kind: int, content: bytes) -> bytes:
        return struct.pack(">BBH", kind, 0, len(content)) + content

    syntaxes = item(0x30, CT.encode()) + item(0x40, b"1.2.840.10008.1.2")
    user = item(0x51, struct.pack(">I", 16384)) + item(0x52, b"1.2.3")
    content = (
        struct.pack(">HH", 1, 0) + b"OSTEON".ljust(16) + b"CT1".ljust(16) + bytes(32)
        + item(0x10, b"1.2.840.10008.3.1.1.1") + item(0x20, bytes((1, 0, 0, 0)) + syntaxes) + item(0x50, user)
    )  # fmt: skip
    return struct.pack(">BBI", 1, 0, len(content)) + content


def say(node: Running, content: bytes) -> None:
    """Says it, and hangs up."""
    with connected(node) as connection:
        try:
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(4096)
        except OSError:
            return


def test_garbage_and_damaged_requests_harm_no_one(tmp_path: Path) -> None:
    chance = random.Random(3)
    with listening(node_settings(tmp_path, network_s=1)) as node:
        for n in range(ROUNDS):
            content = bytearray(request() + bytes(chance.randbytes(chance.randrange(64))))
            for _ in range(chance.randrange(1, 8)):
                content[chance.randrange(len(content))] = chance.randrange(256)
            say(node, chance.randbytes(chance.randrange(1, 300)) if n % 3 == 0 else bytes(content))
        assert still_serves(node)
        assert node.stored() == node.left_over() == []


def test_fuzzed_data_sets_are_stored_whole_or_refused(tmp_path: Path) -> None:
    chance = random.Random(4)
    (path,) = phantoms.write_ct(tmp_path / "in", HU, AFFINE, keep=[0])
    whole = path.read_bytes()[132:]
    with listening(node_settings(tmp_path / "data")) as node:
        association = associate(node.port, CT, phantoms.ExplicitVRLittleEndian)
        for _ in range(60):
            content = bytearray(whole)
            for _ in range(chance.randrange(1, 20)):
                content[chance.randrange(600)] = chance.randrange(256)
            assert exchange(node, bytes(content)) in (0x0000, 0xA900, 0xC000)
        association.release()
        assert still_serves(node)
        assert node.left_over() == []


def exchange(node: Running, content: bytes) -> int:
    """The status of a C-STORE whose data set is `content`."""
    from io import BytesIO

    association = associate(node.port, CT, phantoms.ExplicitVRLittleEndian)
    store = C_STORE()
    store.MessageID, store.Priority = 1, 0
    store.AffectedSOPClassUID, store.AffectedSOPInstanceUID = CT, f"{phantoms.UID_ROOT}.1.1.1"
    store.DataSet = BytesIO(content)
    return exchanged(association, store)


def test_a_pdu_that_announces_4_gb_takes_no_memory(tmp_path: Path) -> None:
    with listening(node_settings(tmp_path)) as node:
        before = psutil.Process().memory_info().rss
        for kind in (1, 4):
            say(node, request() + struct.pack(">BBI", kind, 0, 0xFFFFFFF0) + bytes(1 << 16))
        assert psutil.Process().memory_info().rss - before < 50e6
        assert still_serves(node)


def test_100_silent_connections_hold_up_no_one(tmp_path: Path) -> None:
    (path,) = phantoms.write_ct(tmp_path / "in", HU, AFFINE, keep=[0])
    with listening(node_settings(tmp_path / "data", network_s=30)) as node, ExitStack() as held:
        for n in range(100):
            connection = held.enter_context(connected(node))
            if n % 2:
                connection.sendall(request()[: n % 60])
        assert still_serves(node)
        assert send(node.port, path) == 0x0000


def test_a_peer_that_drips_is_dropped_in_time(tmp_path: Path) -> None:
    with listening(node_settings(tmp_path, network_s=1)) as node, connected(node) as connection:
        gone = threading.Event()

        def drip() -> None:
            for byte in request():
                try:
                    connection.sendall(bytes((byte,)))
                except OSError:
                    gone.set()
                    return
                if gone.wait(0.1):
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        connection.settimeout(10)
        assert connection.recv(1) == b""
        gone.set()
        thread.join()
        assert still_serves(node)


def test_an_association_that_ends_within_an_instance_leaves_nothing(tmp_path: Path) -> None:
    (path,) = phantoms.write_ct(tmp_path / "in", HU, AFFINE, keep=[0])
    content = path.read_bytes()[400:]
    with listening(node_settings(tmp_path / "data")) as node:
        for cut in (10, 200, 5000):
            with connected(node) as connection:
                connection.sendall(request())
                assert connection.recv(4096)[:1] == b"\x02"
                fragment = command() + content
                connection.sendall(fragment[:cut])
        assert still_serves(node)
        assert send(node.port, path) == 0x0000
        assert len(node.stored()) == 1
    assert node.left_over() == []


def command() -> bytes:
    """A P-DATA-TF with a C-STORE-RQ, and the head of one with its data set."""
    elements = b"".join(
        struct.pack("<HHI", 0, number, len(value)) + value
        for number, value in (
            (0x0002, CT.encode() + b"\0"), (0x0100, b"\x01\x00"), (0x0110, b"\x01\x00"),
            (0x0700, b"\0\0"), (0x0800, b"\0\0"), (0x1000, b"1.2.3\0"),
        )
    )  # fmt: skip
    whole = struct.pack("<HHII", 0, 0, 4, len(elements)) + elements
    item = struct.pack(">IBB", len(whole) + 2, 1, 3) + whole
    return struct.pack(">BBI", 4, 0, len(item)) + item + struct.pack(">BBIIBB", 4, 0, 9000, 8996, 1, 0)


def part(tmp_path: Path, content: bytes, syntax: str = "1.2.840.10008.1.2.1") -> Path:
    path = Inbox(tmp_path).new_part()
    path.write_bytes(file_head(CT, "1.2.3.4", syntax, "CT1") + content)
    return path


def test_a_deflate_bomb_is_not_inflated(tmp_path: Path) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    head = struct.pack("<HH2sHI", 8, 5, b"UT", 0, 1 << 31)
    bomb = packer.compress(head + bytes(1 << 28)) + packer.flush()
    before = psutil.Process().memory_info().rss
    with pytest.raises(UnreadableError):
        read_instance(part(tmp_path, bomb, "1.2.840.10008.1.2.1.99"))
    assert psutil.Process().memory_info().rss - before < 100e6


def test_sequences_10_000_deep_are_refused(tmp_path: Path) -> None:
    sequence = struct.pack("<HH2sHI", 8, 0x1140, b"SQ", 0, 0xFFFFFFFF)
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    with pytest.raises(UnreadableError):
        read_instance(part(tmp_path, (sequence + item) * 10_000))
