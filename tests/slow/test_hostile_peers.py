"""Whatever a peer sends or does not send, its association ends and the listener serves others."""

from __future__ import annotations

import random
import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.support.dicom.dataset_bytes import UID, ct
from tests.support.faults.hostile_cases import FUZZED, SUCCESS, assert_serves
from tests.support.faults.wire import (
    COMMAND,
    Wire,
    association_request,
    connected,
    data,
    mutated,
    pdu,
    store,
    store_command,
)
from tests.support.node.node_cases import listening, node_settings
from tests.support.node.node_processes import until

pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")


def attack(port: int, content: bytes) -> None:
    """Sends it, and closes the connection."""
    with connected(port) as wire:
        wire.say(content)


def garbage(chance: random.Random) -> bytes:
    """Noise, PDUs of noise, and damaged conversations."""
    talk = association_request() + b"".join(store(f"{UID}.1.1", ct(), 300))
    return chance.choice(
        (
            lambda: chance.randbytes(chance.randint(0, 200)),
            lambda: pdu(chance.randrange(10), chance.randbytes(chance.randint(0, 200))),
            lambda: pdu(
                chance.randrange(1, 8), b"short", chance.choice((0, 4, 70_000, 0x7FFFFFFF, 0xFFFFFFFF))
            ),
            lambda: mutated(association_request(), chance),
            lambda: association_request() + mutated(talk[len(association_request()) :], chance),
            lambda: (
                association_request() + data(chance.randbytes(50), chance.randrange(4), chance.randrange(5))
            ),
            lambda: association_request() * 2 + pdu(5, bytes(4)) + pdu(4, b""),
        )
    )()


def test_garbage_ends_its_own_association_and_no_other(tmp_path: Path) -> None:
    chance = random.Random(5)
    attacks = [garbage(chance) for _ in range(FUZZED)]
    with listening(node_settings(tmp_path / "data")) as node:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda content: attack(node.port, content), attacks))
        assert_serves(node, tmp_path)
        until(lambda: not node.listener.server.active_associations)


def test_a_pdu_that_announces_4_gb_takes_no_memory(tmp_path: Path) -> None:
    with listening(node_settings(tmp_path / "data")) as node:
        before = psutil.Process().memory_info().rss
        for kind in (1, 4):
            attack(node.port, association_request() + pdu(kind, bytes(1 << 16), 0xFFFFFFF0))
        assert psutil.Process().memory_info().rss - before < 50e6
        assert_serves(node, tmp_path)


@pytest.mark.parametrize("how", ["closes", "resets", "aborts", "begins another one"])
def test_of_an_instance_that_ends_half_way_nothing_stays(tmp_path: Path, how: str) -> None:
    half = list(store(f"{UID}.1.1", ct(), 100))[:3]
    with listening(node_settings(tmp_path / "data")) as node:
        with connected(node.port) as wire:
            wire.associated().say(*half)
            until(node.left_over)
            if how == "resets":
                wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif how == "aborts":
                wire.say(pdu(7, bytes(4)))
                assert wire.heard()[0] == 0
            elif how == "begins another one":
                wire.say(*store(f"{UID}.1.2", ct(f"{UID}.1.2")))
                assert wire.status() == SUCCESS
        until(lambda: node.left_over() == [])
        assert node.stored() == ([f"{UID}.1.2.dcm"] if how == "begins another one" else [])
        assert_serves(node, tmp_path)


def test_a_hundred_silent_connections_hold_up_nobody(tmp_path: Path) -> None:
    with listening(node_settings(tmp_path / "data", network_s=30.0)) as node, ExitStack() as held:
        for n in range(100):
            wire = held.enter_context(connected(node.port))
            wire.say(association_request()[: n % 20])
        assert_serves(node, tmp_path)


def test_a_hundred_idle_associations_hold_up_nobody(tmp_path: Path) -> None:
    settings = node_settings(tmp_path / "data", network_s=30.0, maximum_associations=200)
    with listening(settings) as node, ExitStack() as held:
        for _ in range(100):
            wire = held.enter_context(connected(node.port)).associated()
            wire.say(data(store_command(f"{UID}.1.1"), COMMAND))
        assert_serves(node, tmp_path)


def test_when_all_places_are_taken_by_idle_peers_one_is_given_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.node.receive.listener.SPARED_S", 0.0)
    with listening(node_settings(tmp_path / "data", maximum_associations=8)) as node, ExitStack() as held:
        idle = [held.enter_context(connected(node.port)).associated() for _ in range(8)]
        assert_serves(node, tmp_path)
        assert idle[0].heard()[0] in (0, 7)


def test_a_silent_association_ends_when_its_time_is_over(tmp_path: Path) -> None:
    with listening(node_settings(tmp_path / "data", network_s=0.5)) as node, connected(node.port) as wire:
        wire.associated()
        assert wire.heard()[0] in (0, 7)
        until(lambda: not node.listener.server.active_associations)


def test_a_peer_that_drips_is_dropped_in_time(tmp_path: Path) -> None:
    with listening(node_settings(tmp_path / "data", network_s=1)) as node, connected(node.port) as wire:
        gone = threading.Event()

        def drip() -> None:
            for byte in association_request():
                wire.say(bytes((byte,)))
                if gone.wait(0.1):
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        assert wire.heard()[0] == 0
        gone.set()
        thread.join()
        assert_serves(node, tmp_path)


def test_two_answers_never_mix_when_a_peer_sends_ahead(tmp_path: Path) -> None:
    """Nobody does it without negotiating it (PS3.7 D.3.3.3), and it must harm nobody."""
    with listening(node_settings(tmp_path / "data")) as node:
        wire: Wire
        with connected(node.port) as wire:
            wire.associated()
            for n in (1, 2, 3):
                wire.say(*store(f"{UID}.1.{n}", ct(f"{UID}.1.{n}")))
            assert [wire.status() for _ in range(3)] == [SUCCESS] * 3
        assert len(node.stored()) == 3
