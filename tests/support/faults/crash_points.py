"""Crashes code after each of its changes to the disk, restarts as a node does, and checks the result.

    python -m tests.support.faults.crash_points SCENARIO ROOT STRIDE RECOVERY_STRIDE

A change is a call of `os` that alters a folder, a flush, or a commit of a database. The process ends within
it by `os._exit`, as under kill -9: nothing is cleaned up. Changes are counted as they occur, so that crash
points need not be listed. The recovery of a restarting node is crashed in the same way before it may finish.
Each attempt runs in a fork of this process, which has no threads. Prints the number of crash points tried.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy.engine.default import DefaultDialect

CALLS = ("link", "symlink", "rename", "replace", "unlink", "remove", "mkdir", "rmdir", "fsync", "truncate")
CRASHED, FINISHED, WRONG = 77, 0, 1


class Scenario(Protocol):
    """Steps that share a fresh folder; each runs in its own process."""

    def prepare(self, root: Path) -> None:
        """Creates the initial state."""

    def run(self, root: Path) -> None:
        """Runs the code under test, which is crashed at every point."""

    def recover(self, root: Path) -> None:
        """Recovers as a restarting node does."""

    def check(self, root: Path) -> None:
        """Asserts the invariants after recovery."""


class Countdown:
    """Ends the process after a number of changes."""

    def __init__(self, changes: int) -> None:
        self.left, self.lock = changes, threading.Lock()

    def count(self) -> None:
        """Counts one change."""
        with self.lock:
            self.left -= 1
            if self.left == 0:
                os._exit(CRASHED)

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Wraps a call so that it is counted."""

        def counted(*values: Any, **named: Any) -> Any:
            result = call(*values, **named)
            self.count()
            return result

        return counted

    def install(self) -> None:
        """Wraps the calls for all modules of this process; `pathlib` and `shutil` call those of `os`."""
        for name in CALLS:
            setattr(os, name, self.around(getattr(os, name)))
        setattr(DefaultDialect, "do_commit", self.around(DefaultDialect.do_commit))  # noqa: B010 (a method)


def in_fork(work: Callable[[], None]) -> int:
    """Runs `work` in a fork and returns its exit code."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        code = WRONG
        try:
            work()
            code = FINISHED
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def crashing(work: Callable[[Path], None], root: Path, changes: int) -> Callable[[], None]:
    """Returns the work, crashed after a number of changes."""

    def counted() -> None:
        Countdown(changes).install()
        work(root)

    return counted


def require(work: Callable[[Path], None], root: Path, moment: str) -> None:
    """Raises AssertionError if the work fails."""
    assert in_fork(lambda: work(root)) == FINISHED, f"expected {work} to succeed, it failed {moment}"


def crashed_everywhere(scenario: Scenario, root: Path, stride: int, recovery_stride: int) -> int:
    """Crashes a scenario at each `stride`-th change; returns how often. Raises AssertionError."""
    tried, changes, ended = 0, 1, CRASHED
    while ended == CRASHED:
        here = root / str(changes)
        here.mkdir(parents=True)
        require(scenario.prepare, here, "before")
        ended = in_fork(crashing(scenario.run, here, changes))
        assert ended in (CRASHED, FINISHED), f"expected the code to run, it failed at change {changes}"
        tried += recover_everywhere(scenario, here, changes, recovery_stride)
        require(scenario.check, here, f"after a crash at change {changes}")
        changes += stride
    return tried


def recover_everywhere(scenario: Scenario, root: Path, changes: int, stride: int) -> int:
    """Crashes the recovery too, `stride` changes later each time, until it finishes; returns how often."""
    tried, ended = 0, CRASHED
    while ended == CRASHED:
        tried += 1
        ended = in_fork(crashing(scenario.recover, root, tried * stride))
        assert ended in (CRASHED, FINISHED), f"expected to recover from a crash at change {changes}"
    return tried


def main() -> None:
    """Runs one scenario of `crash_scenarios`."""
    name, root, stride, recovery_stride = sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:])
    scenario = importlib.import_module("tests.support.faults.crash_scenarios").SCENARIOS[name]
    print(crashed_everywhere(scenario, root, stride, recovery_stride))


if __name__ == "__main__":
    main()
