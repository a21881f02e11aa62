"""Many threads and processes store the same instances while processes are being killed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from app.node.storage.inbox import Inbox
from tests.support.faults.storing_process import COUNTER, READY, content, instance
from tests.support.node.node_processes import until

COMMITS = int(os.environ.get("OSTEON_TEST_COMMITS", "5000"))
PROCESSES, THREADS = 3, 3
COMMITS_OF_A_KILL = 1500


@dataclass
class Crowd:
    """Processes that are started again when they were killed."""

    root: Path
    turns: Counter[int] = field(default_factory=Counter)
    processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, number: int) -> None:
        """Until it stores."""
        turn = self.turns[number] = self.turns[number] + 1
        values = (self.root, number, THREADS, COMMITS, turn)
        command = [sys.executable, "-m", "tests.support.faults.storing_process", *map(str, values)]
        self.processes[number] = subprocess.Popen(command)
        until((self.root / f"{READY}-{number}-{turn}").exists)

    def count(self) -> int:
        """How many commits were begun."""
        return int.from_bytes((self.root / COUNTER).read_bytes(), "little")

    def kill(self, number: int) -> None:
        """At once."""
        self.processes[number].kill()
        self.processes[number].wait()

    def said(self) -> Counter[tuple[int, int, str]]:
        """Key, variant and outcome of every commit that came to its end."""
        lines = [line.split() for path in self.root.glob("said-*") for line in path.read_text().splitlines()]
        return Counter((int(key), int(variant), outcome) for key, variant, outcome in lines)


def test_instances_that_many_store_at_once_under_kill_9_are_all_kept_whole(tmp_path: Path) -> None:
    (tmp_path / COUNTER).write_bytes(bytes(8))
    crowd, chance = Crowd(tmp_path), random.Random(5)

    def have_been_made(least: int) -> bool:
        return crowd.count() >= least

    for number in range(PROCESSES):
        crowd.start(number)
    for nth in range(1, COMMITS // COMMITS_OF_A_KILL + 1):
        until(partial(have_been_made, nth * COMMITS_OF_A_KILL), 600)
        victim = chance.randrange(PROCESSES)
        crowd.kill(victim)
        crowd.start(victim)
    for process in crowd.processes.values():
        assert process.wait() == 0
    said = crowd.said()
    assert sum(said.values()) > COMMITS * 0.9
    assert_kept(tmp_path / "data", said)
    print(Counter(outcome for (*_, outcome), n in said.items() for _ in range(n)))


def assert_kept(data: Path, said: Counter[tuple[int, int, str]]) -> None:
    """What was acknowledged is kept as it was sent, nothing else is, and no equal one is a conflict."""
    inbox = Inbox(data)
    inbox.recover()
    assert not inbox.unfinished()
    kept = {path.stem: body(path) for path in inbox.studies.rglob("*.dcm")}
    conflicts = {(path.name.rsplit(".", 2)[0], body(path)) for path in inbox.conflicts.rglob("*.dcm")}
    for key, variant, outcome in said:
        uid, sent = instance(key).sop_instance_uid, content(key, variant)
        assert outcome in ("stored", "duplicate", "conflict")
        assert (kept[uid] == sent) == (outcome != "conflict")
        assert (uid, sent) in conflicts or outcome != "conflict"
    assert len(list(inbox.conflicts.rglob("*.dcm"))) == len(conflicts)
    offered = {instance(key).sop_instance_uid: key for key in range(COMMITS + 1)}
    for uid, found in (*kept.items(), *conflicts):
        assert found in [content(offered[uid], variant) for variant in range(3)]
    assert max(Counter((key, outcome) for key, _, outcome in said if outcome == "stored").values()) == 1


def body(path: Path) -> bytes:
    """The data set behind the file meta group (PS3.10 7.1)."""
    stored = path.read_bytes()
    return stored[144 + int.from_bytes(stored[140:144], "little") :]
