"""Bounds on what a peer can make the listener do and hold, before and after it is known."""

from __future__ import annotations

import struct
import threading
from pathlib import Path
from typing import Any

import pytest

from app.node.receive.admission import Reason
from app.node.receive.unanswered import MAXIMUM_MESSAGE_BYTES, MAXIMUM_UNANSWERED
from app.node.settings.peer import Peer
from tests.support.dicom.dataset_bytes import UID, ct
from tests.support.faults.hostile_cases import assert_serves
from tests.support.faults.wire import (
    COMMAND,
    IMPLICIT,
    LAST,
    Wire,
    association_request,
    connected,
    data,
    element,
    item,
    pdu,
    store_command,
)
from tests.support.node.node_cases import listening, node_settings
from tests.support.node.node_processes import until

PUSH_MODEL, PUSH_MODEL_INSTANCE = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"
VERIFICATION = "1.2.840.10008.1.1"
MEGABYTE = 1 << 20
C_ECHO, N_ACTION, N_EVENT_REPORT = 0x0030, 0x0130, 0x0100
NO_DATA, DATA = 0x0101, 0x0001
REJECTED, ABORTED = 3, 7


def command(field: int, data_set: int, message_id: int = 1) -> bytes:
    """A request of a DIMSE service other than C-STORE."""
    classes = {C_ECHO: (0x0002,), N_EVENT_REPORT: (0x0002,), N_ACTION: (0x0003,)}[field]
    instances = {C_ECHO: (), N_EVENT_REPORT: (0x1000,), N_ACTION: (0x1001,)}[field]
    kinds = {C_ECHO: (), N_EVENT_REPORT: (0x1002,), N_ACTION: (0x1008,)}[field]
    sop_class = VERIFICATION if field == C_ECHO else PUSH_MODEL
    parts = [element(n, (sop_class + "\0" * (len(sop_class) % 2)).encode()) for n in classes]
    parts += [element(0x0100, struct.pack("<H", field)), element(0x0110, struct.pack("<H", message_id))]
    parts += [element(0x0800, struct.pack("<H", data_set))]
    parts += [element(n, PUSH_MODEL_INSTANCE.encode()) for n in instances]
    parts += [element(n, struct.pack("<H", 1)) for n in kinds]
    content = b"".join(parts)
    return data(element(0, struct.pack("<L", len(content))) + content, COMMAND | LAST)


def ends(wire: Wire) -> bool:
    """Whether the association ends, after whatever was answered before."""
    while (kind := wire.heard()[0]) not in (0, ABORTED):
        assert kind == 4
    return True


@pytest.mark.parametrize(
    ("asked", "answer", "reason"),
    [
        ({"calling": "STRANGER"}, (1, 1, 3), Reason.CALLING_TITLE),
        ({"calling": "FAR"}, (1, 1, 3), Reason.ADDRESS),
        ({"called": "ELSEWHERE"}, (1, 1, 7), Reason.CALLED_TITLE),
    ],
)
def test_a_stranger_is_turned_away_for_the_first_bytes_of_a_request(
    tmp_path: Path, asked: dict[str, Any], answer: tuple[int, int, int], reason: Reason
) -> None:
    """The rest of its megabyte was not even sent when the answer comes."""
    peers = (Peer(name="ct1", ae_title="CT1"), Peer(name="far", ae_title="FAR", addresses=("192.0.2.1",)))
    head = association_request(**asked)[6:74]
    with listening(node_settings(tmp_path / "data", peers=peers)) as node, connected(node.port) as wire:
        wire.say(pdu(1, head, MEGABYTE))
        assert wire.heard() == (REJECTED, bytes((0, *answer)))
        (told,) = node.rejected
        titles = (told.request.called_ae, told.request.calling_ae, told.request.address)
        assert titles == (asked.get("called", "OSTEON"), asked.get("calling", "CT1"), "127.0.0.1")
        assert told.reason is reason


def test_a_stranger_that_sends_a_megabyte_still_reads_why_it_was_rejected(tmp_path: Path) -> None:
    request = association_request(calling="STRANGER", more=item(0x20, bytes(60_000)) * 16)
    with listening(node_settings(tmp_path / "data")) as node:
        for _ in range(20):
            with connected(node.port) as wire:
                wire.say(request)
                assert wire.heard() == (REJECTED, bytes((0, 1, 1, 3)))


@pytest.mark.parametrize(
    "request_pdu",
    [
        association_request(contexts=129),
        association_request(more=item(0x20, bytes(4) + item(0x40, b"1.2") * 4096)),
        association_request(more=item(0x50, b"")),
        association_request(users=item(0x54, b"\0\x011\0\0") * 4096),
        association_request(users=item(0x57, bytes(30_000)) * 2),
        association_request(more=item(0x30, bytes(60_000)) * 5),
    ],
    ids=["contexts", "transfer syntaxes", "user informations", "roles", "listed UIDs", "bytes"],
)
def test_what_a_known_peer_asks_for_is_bounded(tmp_path: Path, request_pdu: bytes) -> None:
    with listening(node_settings(tmp_path / "data")) as node:
        with connected(node.port) as wire:
            wire.say(request_pdu)
            assert wire.heard() == (REJECTED, bytes((0, 1, 2, 1)))
        assert [each.reason for each in node.rejected] == [Reason.TOO_LARGE]
        assert_serves(node, tmp_path)


def test_as_many_contexts_as_there_can_be_are_served(tmp_path: Path) -> None:
    with listening(node_settings(tmp_path / "data")) as node, connected(node.port) as wire:
        wire.say(association_request(contexts=128, users=item(0x54, b"\0\x051.2.3\0\x01") * 128))
        assert wire.heard()[0] == 2


@pytest.mark.parametrize("kind", [1, 2, 3, 5, 7])
def test_what_may_not_come_now_ends_the_association_unread(tmp_path: Path, kind: int) -> None:
    with listening(node_settings(tmp_path / "data")) as node, connected(node.port) as wire:
        wire.associated().say(pdu(kind, b"", MEGABYTE))
        assert wire.heard()[0] == ABORTED


@pytest.mark.parametrize("kind", [2, 4, 6])
def test_what_may_not_come_first_ends_the_connection_unread(tmp_path: Path, kind: int) -> None:
    with listening(node_settings(tmp_path / "data")) as node, connected(node.port) as wire:
        wire.say(pdu(kind, b"", MEGABYTE))
        assert wire.heard()[0] == ABORTED
        assert [each.reason for each in node.rejected] == [Reason.MALFORMED]


def test_titles_padded_with_nul_are_those_of_the_peer(tmp_path: Path) -> None:
    with listening(node_settings(tmp_path / "data")) as node:
        with connected(node.port) as wire:
            wire.say(association_request(padding=b"\0"))
            assert wire.heard()[0] == 2
        with connected(node.port) as wire:
            wire.say(association_request(padding=b"\0", calling="STRANGER"))
            assert wire.heard() == (REJECTED, bytes((0, 1, 1, 3)))
        assert [each.request.calling_ae for each in node.rejected] == ["STRANGER"]


def test_a_command_before_the_data_of_the_last_one_ends_the_association(tmp_path: Path) -> None:
    with listening(node_settings(tmp_path / "data")) as node:
        with connected(node.port) as wire:
            wire.associated(sop_class=PUSH_MODEL, syntax=IMPLICIT)
            for _ in range(3):
                wire.say(command(N_ACTION, DATA), data(bytes(1000), 0))
            assert ends(wire)
        assert_serves(node, tmp_path)


def test_data_without_a_command_end_the_association(tmp_path: Path) -> None:
    with listening(node_settings(tmp_path / "data")) as node, connected(node.port) as wire:
        wire.associated().say(data(bytes(1000), 0))
        assert ends(wire)


def test_a_message_has_a_bound(tmp_path: Path) -> None:
    with listening(node_settings(tmp_path / "data")) as node, connected(node.port) as wire:
        wire.associated(sop_class=PUSH_MODEL, syntax=IMPLICIT).say(command(N_ACTION, DATA))
        for _ in range(MAXIMUM_MESSAGE_BYTES // 500_000 + 1):
            wire.say(data(bytes(500_000), 0))
        assert ends(wire)


def test_one_request_after_the_other_is_served_without_end(tmp_path: Path) -> None:
    with listening(node_settings(tmp_path / "data")) as node, connected(node.port) as wire:
        wire.associated(sop_class=VERIFICATION, syntax=IMPLICIT)
        for n in range(10 * MAXIMUM_UNANSWERED):
            wire.say(command(C_ECHO, NO_DATA, n))
            assert wire.status() == 0


def reference(number: int) -> bytes:
    """An item of a storage commitment request, implicit VR."""
    uids = (b"1.2.840.10008.5.1.4.1.1.2\0", f"1.2.3.{10_000 + number}".encode())
    content = b"".join(
        struct.pack("<HHL", 0x0008, tag, len(uid) + len(uid) % 2) + uid + b"\0" * (len(uid) % 2)
        for tag, uid in zip((0x1150, 0x1155), uids, strict=True)
    )
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(content)) + content


def commitment(items: bytes) -> bytes:
    """A storage commitment request, implicit VR."""
    transaction = struct.pack("<HHL", 0x0008, 0x1195, 6) + b"1.2.3\0"
    return transaction + struct.pack("<HHL", 0x0008, 0x1199, len(items)) + items


@pytest.mark.parametrize(
    ("items", "status"),
    [
        (b"".join(map(reference, range(20_000))), 0),
        (struct.pack("<HHL", 0xFFFE, 0xE000, 0) * 300_000, 0x0115),
        (struct.pack("<HHL", 0xFFFE, 0xE000, 8 * 300_000) + struct.pack("<HHL", 9, 1, 0) * 300_000, 0x0115),
    ],
    ids=["20,000 instances", "items", "elements"],
)
def test_a_commitment_request_is_decoded_only_where_that_costs_little(
    tmp_path: Path, items: bytes, status: int
) -> None:
    peers = (Peer(name="ct1", ae_title="CT1", host="127.0.0.1", port=1),)
    content = commitment(items)
    with listening(node_settings(tmp_path / "data", peers=peers)) as node, connected(node.port) as wire:
        wire.associated(sop_class=PUSH_MODEL, syntax=IMPLICIT).say(command(N_ACTION, DATA))
        for at in range(0, len(content), 200_000):
            wire.say(data(content[at : at + 200_000], LAST if at + 200_000 >= len(content) else 0))
        assert wire.status() == status
        assert len(node.owed) == (status == 0)


@pytest.mark.parametrize("field", [C_ECHO, N_EVENT_REPORT, N_ACTION])
def test_requests_without_end_whose_answers_nobody_reads_pile_up_nowhere(tmp_path: Path, field: int) -> None:
    """Neither as messages nor as threads; reports to this peer go on its own association."""
    sop_class = VERIFICATION if field == C_ECHO else PUSH_MODEL
    request = command(field, DATA) + data(commitment(reference(1)), LAST)
    if field == C_ECHO:
        request = command(field, NO_DATA)
    with listening(node_settings(tmp_path / "data")) as node:
        before = threading.active_count()
        with connected(node.port) as wire:
            wire.associated(sop_class=sop_class, syntax=IMPLICIT)
            talking = threading.Thread(target=wire.say, args=(request * 1000,), daemon=True)
            (association,) = node.listener.server.active_associations
            talking.start()
            most = 0

            def is_over() -> bool:
                nonlocal most
                most = max(most, association.dimse.msg_queue.qsize(), threading.active_count() - before - 3)
                return not (talking.is_alive() and association.is_alive())

            until(is_over, 20)
            assert most <= MAXIMUM_UNANSWERED + 1
        assert_serves(node, tmp_path)


def test_instances_that_are_begun_again_and_again_are_one_at_a_time(tmp_path: Path) -> None:
    with listening(node_settings(tmp_path / "data")) as node:
        with connected(node.port) as wire:
            wire.associated()
            for n in range(200):
                wire.say(data(store_command(f"{UID}.1.{n}"), COMMAND | LAST), data(ct()[:300], 0))
            until(lambda: len(node.left_over()) == 1, 10)
        until(lambda: node.left_over() == [], 10)
