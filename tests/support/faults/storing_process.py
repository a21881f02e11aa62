"""A process whose threads store instances under names that other threads store at the same time.

    python -m tests.support.faults.storing_process ROOT NUMBER THREADS COMMITS TURN

A counter shared by all processes gives each commit its key, so that each key occurs many times at once.
Acknowledged commits go to `ROOT/said-<number>-<thread>`, a line each, before the next one.
"""

from __future__ import annotations

import mmap
import os
import random
import signal
import struct
import sys
import threading
from pathlib import Path

from app.node.storage.inbox import Inbox
from operators.dicom.elements.file_meta import file_head
from operators.dicom.elements.instance_identity import Instance

COUNTER, READY = "counter", "ready"
# Commits of a key on average, and keys of a series
OFFERS, KEYS = 9, 500
LONGEST_BYTES = 20_000


def instance(key: int) -> Instance:
    """Returns the instance of a key."""
    study = f"1.2.{key // KEYS}"
    return Instance(study, f"{study}.1", f"{study}.1.{key}", "1.2.840.10008.5.1.4.1.1.2")


def content(key: int, variant: int) -> bytes:
    """Returns the data set of a key, different for each variant."""
    chance = random.Random(1000 * key + variant)
    return chance.randbytes(chance.randrange(1, LONGEST_BYTES))


def file(key: int, variant: int, sender: str) -> bytes:
    """Returns the data set after a file meta group that names its sender."""
    named = instance(key)
    head = file_head(named.sop_class_uid, named.sop_instance_uid, "1.2.840.10008.1.2", sender)
    return head + content(key, variant)


class Storing(threading.Thread):
    """A thread that stores the next key until none is left."""

    def __init__(
        self, root: Path, name: str, inbox: Inbox, counter: mmap.mmap, commits: int, seed: str
    ) -> None:
        super().__init__()
        self.inbox, self.counter, self.commits, self.sender = inbox, counter, commits, f"CT{name}"
        self.chance = random.Random(seed)
        self.said = os.open(root / f"said-{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def run(self) -> None:
        while (count := struct.unpack("q", self.counter[:8])[0]) < self.commits:
            self.counter[:8] = struct.pack("q", count + 1)
            key, variant = count // OFFERS, self.chance.choices((0, 1, 2), (20, 2, 1))[0]
            part = self.inbox.new_part()
            part.write_bytes(file(key, variant, self.sender))
            try:
                outcome = self.inbox.commit(part, instance(key)).value
            except OSError as error:
                outcome = f"failed:{error.errno}"
            os.write(self.said, f"{key} {variant} {outcome}\n".encode())


def main() -> None:
    """Stores until the counter reaches its end."""
    root, number, threads, commits, turn = Path(sys.argv[1]), *map(int, sys.argv[2:])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    inbox = Inbox(root / "data", f"process-{number}")
    inbox.recover()
    with (root / COUNTER).open("r+b") as shared:
        counter = mmap.mmap(shared.fileno(), 8)
    names = [f"{number}-{n}" for n in range(threads)]
    storing = [Storing(root, name, inbox, counter, commits, f"{name}-{turn}") for name in names]
    (root / f"{READY}-{number}-{turn}").touch()
    for each in storing:
        each.start()
    for each in storing:
        each.join()


if __name__ == "__main__":
    main()
