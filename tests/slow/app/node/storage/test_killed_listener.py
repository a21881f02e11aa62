"""A killed listener has stored every acknowledged instance, and no partial one."""

from __future__ import annotations

import random
import threading
from functools import partial
from pathlib import Path

from app.node.storage.inbox import Inbox
from tests.support.dicom.dataset_bytes import UID, ct, element
from tests.support.faults.hostile_cases import SUCCESS
from tests.support.faults.wire import connected, store
from tests.support.node.listener_process import ListenerProcess
from tests.support.node.node_processes import until


class Sender(threading.Thread):
    """Stores instances until the listener is gone, and records the acknowledged ones."""

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
        if turn % 2:
            until(partial(all_promised, senders))
        threading.Event().wait(chance.uniform(0.05, 0.6))  # the moment of the kill is the test's input
        process.kill()
        for sender in senders:
            sender.join()
            promised += len(sender.promised)
            assert_kept(Inbox(tmp_path / "data"), sender)
    assert promised >= 10


def all_promised(senders: list[Sender]) -> bool:
    return all(sender.promised for sender in senders)


def assert_kept(inbox: Inbox, sender: Sender) -> None:
    """After a restart every acknowledged instance is present, and every file is complete."""
    inbox.recover()
    assert not inbox.unfinished()
    found = {path.stem: path for path in (inbox.studies / sender.study).rglob("*.dcm")}
    assert set(sender.promised) <= set(found)
    for uid, path in found.items():
        assert path.read_bytes().endswith(instance(sender.study, uid))
