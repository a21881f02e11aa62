"""A PACS that violates the upper layer protocol costs one attempt, bounded in time and memory."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from app.node.peers.destination import Outgoing, echo, store
from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer
from operators.dicom.elements.instance_identity import read_outgoing
from operators.errors import TransientError
from tests.support.dicom import phantoms
from tests.support.faults.ill_servers import (
    Talk,
    accepted,
    association_accept,
    ill_server,
    request,
    response,
    take_file,
)
from tests.support.faults.wire import COMMAND, data, element, pdu
from tests.support.node.node_processes import until

pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")

AFFINE = phantoms.axial_affine()
HU = phantoms.position_volume((16, 12, 2), AFFINE)
SETTINGS = NodeSettings(network_s=0.5)
BLOCK = bytes(1 << 16)
# What an attempt may take of one that speaks without end, in half a second over loopback and with what is in
# the buffers of the sockets; one without a bound would take gigabytes
MOST_BYTES = 64 << 20


@pytest.fixture
def files(tmp_path: Path) -> list[Outgoing]:
    return [Outgoing(path, *read_outgoing(path)) for path in phantoms.write_ct(tmp_path / "ct", HU, AFFINE)]


def pacs(port: int) -> Peer:
    return Peer(name="pacs", ae_title="PACS", host="127.0.0.1", port=port, receives=True)


def after_file(*said: bytes, for_ever: bool = False) -> Callable[[Talk], None]:
    """Sends bytes instead of a response, once or endlessly."""

    def meet(talk: Talk) -> None:
        accepted(talk)
        take_file(talk)
        talk.say(*said)
        while for_ever:
            talk.say(*said)
        talk.hear_until_gone()

    return meet


def silent(talk: Talk) -> None:
    talk.hear_until_gone()


def accepts_byte_by_byte(talk: Talk) -> None:
    talk.hear_pdu()
    talk.drip(itertools.chain(association_accept()[:-1], itertools.repeat(0)))


def accepts_without_end(talk: Talk) -> None:
    talk.hear_pdu()
    talk.say(pdu(2, b"", 0xFFFFFFFF))
    while True:
        talk.say(BLOCK)


def says_before_accepting(said: bytes) -> Callable[[Talk], None]:
    def meet(talk: Talk) -> None:
        talk.hear_pdu()
        while True:
            talk.say(said)

    return meet


def takes_tiny_pdus(talk: Talk) -> None:
    talk.hear_pdu()
    talk.say(association_accept(7))
    talk.hear_until_gone()


def answers_byte_by_byte(talk: Talk) -> None:
    accepted(talk)
    take_file(talk)
    talk.drip(itertools.chain(response()[:-1], itertools.repeat(0)))


NO_STATUS = data(element(0x0100, b"\x01\x80") + element(0x0120, b"\1\0") + element(0x0800, b"\1\1"), 3)
ILL = {
    "silent": silent,
    "accepts byte by byte": accepts_byte_by_byte,
    "accepts without end": accepts_without_end,
    "data before it accepts": says_before_accepting(response()),
    "requests an association itself": says_before_accepting(pdu(1, bytes(68))),
    "unknown PDUs before it accepts": says_before_accepting(pdu(9, bytes(100))),
    "takes tiny PDUs": takes_tiny_pdus,
    "answers byte by byte": answers_byte_by_byte,
    "a PDU of 4 GB": after_file(pdu(4, b"", 0xFFFFFFFF), BLOCK, for_ever=True),
    "a PDU of items of nothing": after_file(pdu(4, bytes(120_000)), for_ever=True),
    "a command without end": after_file(data(bytes(16_000), COMMAND), for_ever=True),
    "a command of fragments of nothing": after_file(data(b"", COMMAND), for_ever=True),
    "a data set without end": after_file(data(element(0x0100, b"\1\x80") + element(0x0800, b"\0\0"), 3),
                                         data(bytes(16_000), 0), for_ever=True),
    "garbage for a command": after_file(data(b"\xff" * 100, 3)),
    "a command of an unknown kind": after_file(request(0x7777)),
    "an answer without a status": after_file(NO_STATUS),
    "an answer to another message": after_file(response(message_id=9)),
    "requests without end": after_file(request(0x0030), for_ever=True),
    "reports without end": after_file(
        request(0x0100, element(0x1000, b"1.2.3\0"), element(0x1002, b"\1\0")), for_ever=True
    ),
    "accepts again": after_file(association_accept(), for_ever=True),
    "rejects what it accepted": after_file(pdu(3, b"\0\1\1\1"), for_ever=True),
    "aborts": after_file(pdu(7, bytes(4))),
    "releases for an answer": after_file(pdu(5, bytes(4)), for_ever=True),
}  # fmt: skip


def threads() -> set[threading.Thread]:
    """Those of associations."""
    return {thread for thread in threading.enumerate() if "ill_servers" not in str(thread.run)}


@pytest.mark.parametrize("meet", ILL.values(), ids=ILL.keys())
def test_an_attempt_ends_and_can_be_repeated(files: list[Outgoing], meet: Callable[[Talk], None]) -> None:
    before = threads()
    with ill_server(meet) as server:
        with pytest.raises(TransientError):
            store(files, pacs(server.port), SETTINGS)
        assert server.said_bytes < MOST_BYTES
    until(lambda: threads() <= before, 10)


@pytest.mark.parametrize("name", ["silent", "accepts byte by byte", "data before it accepts"])
def test_an_echo_ends_too(name: str) -> None:
    with ill_server(ILL[name]) as server, pytest.raises(TransientError):
        echo(pacs(server.port), SETTINGS)


def test_one_answer_is_no_answer_to_the_next_file(files: list[Outgoing]) -> None:
    def meet(talk: Talk) -> None:
        accepted(talk)
        take_file(talk)
        talk.say(response(message_id=1), response(message_id=1))
        talk.hear_until_gone()

    with ill_server(meet) as server, pytest.raises(TransientError):
        store(files, pacs(server.port), SETTINGS)


def silent_end(_: Talk) -> None:
    """Ends the connection."""


RELEASES = {
    "never": lambda talk: talk.hear_until_gone(),
    "byte by byte": lambda talk: talk.drip(itertools.repeat(0)),
    "with data without end": lambda talk: [talk.say(response(message_id=9)) for _ in itertools.count()],
    "with releases without end": lambda talk: [talk.say(pdu(5, bytes(4))) for _ in itertools.count()],
    "by hanging up": silent_end,
}


@pytest.mark.parametrize("release", RELEASES.values(), ids=RELEASES.keys())
def test_what_is_stored_stays_stored_however_the_association_ends(
    files: list[Outgoing], release: Callable[[Talk], None]
) -> None:
    def meet(talk: Talk) -> None:
        accepted(talk)
        for number, _ in enumerate(files, start=1):
            take_file(talk)
            talk.say(response(message_id=number))
        release(talk)

    before = threads()
    with ill_server(meet) as server:
        assert store(files, pacs(server.port), SETTINGS) == []
        assert server.said_bytes < MOST_BYTES
    until(lambda: threads() <= before, 10)


def test_a_host_without_an_address_is_tried_again(files: list[Outgoing]) -> None:
    nowhere = Peer(name="pacs", ae_title="PACS", host="no-such-host.invalid", receives=True)
    with pytest.raises(TransientError) as raised:
        store(files, nowhere, SETTINGS)
    assert raised.value.code == "unreachable"
