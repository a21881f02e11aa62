"""Whatever peers send, or do not send: the listener lives, serves others, and keeps only what is whole."""

from __future__ import annotations

import random
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.node.inbox import Inbox, content_hash
from app.node.study_folder import StudyFolders
from operators.dicom.scan import scan
from tests import phantoms
from tests.integration.dataset_bytes import UID, ct, deflated, element, nested
from tests.integration.listener_process import ListenerProcess
from tests.integration.node_cases import Running, dcmtk, listening, node_settings, storescu
from tests.integration.node_processes import until
from tests.integration.wire import (
    COMMAND,
    DEFLATED,
    LAST,
    Wire,
    association_request,
    connected,
    data,
    mutated,
    pdu,
    store,
    store_command,
)

pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")

AFFINE = phantoms.axial_affine()
HU = phantoms.position_volume((64, 64, 4), AFFINE)
SUCCESS, OUT_OF_RESOURCES, CANNOT_UNDERSTAND = 0x0000, 0xA700, 0xC000
FUZZED = 2000


def contents(inbox: Inbox) -> set[str]:
    """Hashes of all data sets that are kept, under whatever name."""
    paths = [*inbox.studies.rglob("*.dcm"), *inbox.conflicts.rglob("*.dcm")]
    return {content_hash(path) for path in paths}


def kept(inbox: Inbox, dataset: bytes, tmp_path: Path) -> bool:
    """Whether this very data set, and nothing less or more, is kept."""
    path = tmp_path / "expected"
    path.write_bytes(bytes(144) + dataset)
    return content_hash(path) in contents(inbox)


def assert_serves(node: Running, tmp_path: Path) -> None:
    """A real study of an honest peer comes in whole, and nothing half stays."""
    paths = phantoms.write_ct(tmp_path / "honest", HU, AFFINE, study=9)
    code, text = storescu(node.port, *paths)
    assert code == 0, text
    folder = node.inbox.studies / f"{phantoms.UID_ROOT}.9"
    assert len(list(folder.rglob("*.dcm"))) == len(paths)
    until(lambda: node.left_over() == [], 10)


def attack(port: int, content: bytes, answered: bool = False) -> None:
    """Says it, hears at most one answer, and goes."""
    with connected(port) as wire:
        wire.say(content)
        if answered:
            wire.heard()


def garbage(chance: random.Random) -> bytes:
    """Noise, PDUs of noise, and damaged conversations."""
    talk = association_request() + b"".join(store(f"{UID}.1.1", ct(), 300))
    return chance.choice((
        lambda: chance.randbytes(chance.randint(0, 200)),
        lambda: pdu(chance.randrange(10), chance.randbytes(chance.randint(0, 200))),
        lambda: pdu(chance.randrange(1, 8), b"short", chance.choice((0, 4, 70_000, 0x7FFFFFFF, 0xFFFFFFFF))),
        lambda: mutated(association_request(), chance),
        lambda: association_request() + mutated(talk[len(association_request()) :], chance),
        lambda: association_request() + data(chance.randbytes(50), chance.randrange(4), chance.randrange(5)),
        lambda: association_request() * 2 + pdu(5, bytes(4)) + pdu(4, b""),
    ))()  # fmt: skip


def test_garbage_ends_its_own_association_and_no_other(tmp_path: Path) -> None:
    chance = random.Random(5)
    attacks = [garbage(chance) for _ in range(FUZZED)]
    with listening(node_settings(tmp_path / "data")) as node:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda content: attack(node.port, content), attacks))
        assert_serves(node, tmp_path)
        until(lambda: not node.listener.server.active_associations, 20)


def test_fuzzed_data_sets_are_refused_or_kept_as_they_came(tmp_path: Path) -> None:
    chance, whole = random.Random(6), ct()
    answers: list[tuple[int, bytes]] = []
    with listening(node_settings(tmp_path / "data")) as node:
        with connected(node.port) as wire:
            wire.associated()
            for _ in range(FUZZED // 2):
                dataset = mutated(whole, chance)
                wire.say(*store(f"{UID}.1.1", dataset))
                answers.append((wire.status(), dataset))
        assert all(status in (0x0000, 0xA900, 0xC000) for status, _ in answers)
        acknowledged = [dataset for status, dataset in answers if status == SUCCESS]
        assert 0 < len(acknowledged) < len(answers)
        assert all(kept(node.inbox, dataset, tmp_path) for dataset in acknowledged[::20])
        assert len(contents(node.inbox)) == len(set(acknowledged))
        assert_serves(node, tmp_path)


@pytest.mark.parametrize("how", ["closes", "resets", "aborts", "begins another one"])
def test_of_an_instance_that_ends_half_way_nothing_stays(tmp_path: Path, how: str) -> None:
    half = list(store(f"{UID}.1.1", ct(), 100))[:3]
    with listening(node_settings(tmp_path / "data")) as node:
        with connected(node.port) as wire:
            wire.associated().say(*half)
            until(node.left_over, 10)
            if how == "resets":
                wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif how == "aborts":
                wire.say(pdu(7, bytes(4)))
                assert wire.heard()[0] == 0
            elif how == "begins another one":
                wire.say(*store(f"{UID}.1.2", ct(f"{UID}.1.2")))
                assert wire.status() == SUCCESS
        until(lambda: node.left_over() == [], 10)
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
    monkeypatch.setattr("app.node.listener.SPARED_S", 0.0)
    with listening(node_settings(tmp_path / "data", maximum_associations=8)) as node, ExitStack() as held:
        idle = [held.enter_context(connected(node.port)).associated() for _ in range(8)]
        assert_serves(node, tmp_path)
        assert idle[0].heard()[0] in (0, 7)


def test_a_silent_association_ends_when_its_time_is_over(tmp_path: Path) -> None:
    with listening(node_settings(tmp_path / "data", network_s=0.5)) as node, connected(node.port) as wire:
        wire.associated()
        assert wire.heard()[0] in (0, 7)
        until(lambda: not node.listener.server.active_associations, 10)


@pytest.mark.parametrize(
    "uid", ["../../../x", "/etc/passwd", "1.2\x003.4", "1." * 5000 + "1", "..", "1.2 3", ""]
)
@pytest.mark.parametrize("which", ["study", "series", "uid"])
def test_uids_that_are_paths_are_refused(tmp_path: Path, which: str, uid: str) -> None:
    with listening(node_settings(tmp_path / "data")) as node:
        before = sorted(tmp_path.rglob("*"))
        with connected(node.port) as wire:
            wire.associated().say(*store(f"{UID}.1.1", ct(**{which: uid})))
            assert wire.status() == CANNOT_UNDERSTAND
        assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("patient", ["../../../x", "/etc/passwd", "A\x00B", "P" * 10_000, "$(reboot)`id`"])
def test_patient_ids_name_no_file(tmp_path: Path, patient: str) -> None:
    with listening(node_settings(tmp_path / "data")) as node:
        with connected(node.port) as wire:
            wire.associated().say(*store(f"{UID}.1.1", ct(patient=patient)))
            assert wire.status() == SUCCESS
        (found,) = tmp_path.rglob("*.dcm")
        assert found == node.inbox.studies / UID / f"{UID}.1" / f"{UID}.1.1.dcm"
        (series,) = StudyFolders(node.inbox.studies).look()[UID].series
        assert series.sop_instance_uid == f"{UID}.1.1"


BOMB_BYTES = 512 << 20


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ListenerProcess]:
    running = ListenerProcess(tmp_path / "data")
    yield running
    running.kill()


@pytest.mark.parametrize("where", ["behind", "before"])
def test_deflate_bombs_take_no_memory(tmp_path: Path, process: ListenerProcess, where: str) -> None:
    zeros = element(0x00091010, "OB", b"", BOMB_BYTES)
    bomb = deflated(ct(), BOMB_BYTES) if where == "behind" else deflated(ct()[:100] + zeros, BOMB_BYTES)
    before_mb = process.peak_mb()
    with connected(process.port) as wire:
        wire.associated(syntax=DEFLATED).say(*store(f"{UID}.1.1", bomb))
        assert wire.status() == (SUCCESS if where == "behind" else CANNOT_UNDERSTAND)
    assert process.peak_mb() - before_mb < 32
    assert dcmtk("echoscu", "127.0.0.1", process.port)[0] == 0
    assert len(StudyFolders(tmp_path / "data" / "inbox").look()) == (where == "behind")


@pytest.mark.parametrize(
    "dataset",
    [
        ct(rows=struct.pack("<L", 1 << 31), rows_vr="UL"),
        ct(rows=struct.pack("<H", 0xFFFF)),
        ct(before=nested(10_000)),
        ct(after=nested(10_000)),
        ct(before=nested(10_000)[:100_000]),
        ct(before=element(0x00091010, "UN", b"", 0xFFFFFFFE)),
    ],
    ids=["rows of 2^31", "rows of 65535", "deep before", "deep behind", "deep and open", "length of 2^32"],
)
def test_monstrous_data_sets_harm_neither_the_listener_nor_who_reads_the_inbox(
    tmp_path: Path, process: ListenerProcess, dataset: bytes
) -> None:
    before_mb = process.peak_mb()
    with connected(process.port) as wire:
        wire.associated().say(*store(f"{UID}.1.1", dataset))
        assert wire.status() in (SUCCESS, CANNOT_UNDERSTAND)
    assert process.peak_mb() - before_mb < 64
    assert dcmtk("echoscu", "127.0.0.1", process.port)[0] == 0
    StudyFolders(tmp_path / "data" / "inbox").look()
    scan(tmp_path / "data" / "inbox")


class Sender(threading.Thread):
    """Stores instance after instance until the listener is gone, and remembers what it was promised."""

    def __init__(self, port: int, study: str) -> None:
        super().__init__()
        self.port, self.study = port, study
        self.promised: list[str] = []

    def run(self) -> None:
        with connected(self.port) as wire:
            wire.associated()
            for n in range(10_000):
                uid = f"{self.study}.1.{n + 1}"
                wire.say(*store(uid, instance(self.study, uid), 30_000))
                if wire.status() != SUCCESS:
                    return
                self.promised.append(uid)


def instance(study: str, uid: str) -> bytes:
    """About 60 KB, another content under each UID."""
    noise = random.Random(uid).randbytes(60_000)
    return ct(uid, study=study, series=f"{study}.1", after=element(0x7FE10010, "OB", noise))


def test_a_killed_listener_has_what_it_promised_and_nothing_half(tmp_path: Path) -> None:
    chance, promised = random.Random(7), 0
    for turn in range(10):
        process = ListenerProcess(tmp_path / "data")
        senders = [Sender(process.port, f"{UID}.{turn}.{n}") for n in (1, 2)]
        for sender in senders:
            sender.start()
        threading.Event().wait(chance.uniform(0.05, 0.6))  # the moment of the kill is the test's input
        process.kill()
        for sender in senders:
            sender.join()
            promised += len(sender.promised)
            assert_kept(Inbox(tmp_path / "data"), sender)
    assert promised > 50


def assert_kept(inbox: Inbox, sender: Sender) -> None:
    """All that was promised is there after a restart, and all that is there is whole."""
    inbox.recover()
    assert not list(inbox.incoming.iterdir())
    found = {path.stem: path for path in (inbox.studies / sender.study).rglob("*.dcm")}
    assert set(sender.promised) <= set(found)
    for uid, path in found.items():
        assert path.read_bytes().endswith(instance(sender.study, uid))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_fills_up_loses_nothing_that_was_acknowledged(tmp_path: Path, disk: Path) -> None:
    chance, answers = random.Random(8), {}
    with listening(node_settings(disk)) as node, connected(node.port) as wire:
        wire.associated()
        for n in range(60):
            noise = element(0x7FE10010, "OB", chance.randbytes(chance.randrange(1000, 900_000)))
            uid = f"{UID}.1.{n + 1}"
            dataset = ct(uid, after=noise)
            wire.say(*store(uid, dataset, 900_000))
            answers[dataset] = wire.status()
        assert set(answers.values()) == {SUCCESS, OUT_OF_RESOURCES}
        for dataset, status in answers.items():
            assert kept(node.inbox, dataset, tmp_path) == (status == SUCCESS)
        assert node.left_over() == []


def test_one_data_set_without_end_stops_at_the_watermark(disk: Path) -> None:
    with listening(node_settings(disk, minimum_free_mb=3)) as node, connected(node.port) as wire:
        wire.associated()
        wire.say(data(store_command(f"{UID}.1.1"), COMMAND | LAST))
        for _ in range(20):
            wire.say(data(bytes(500_000), 0))
        wire.say(data(bytes(10), LAST))
        assert wire.status() == OUT_OF_RESOURCES
        assert node.inbox.free_bytes() > 7_000_000
        wire.say(*store(f"{UID}.1.2", ct(f"{UID}.1.2")))
        assert wire.status() == SUCCESS


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
