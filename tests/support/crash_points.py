"""Ends a piece of code after each of its changes of the disk, starts again as a node does, and checks.

    python -m tests.support.crash_points SCENARIO ROOT STRIDE RECOVERY_STRIDE

A change is a call of `os` that alters a folder, a flush, or a commit of a database; the process ends within
it, by `os._exit`, as by kill -9: nothing is cleared up. All changes are counted as they come, so that nobody
has to think of the moments. What a node does when it starts again is ended in the same way, before it may
come to its end. Each attempt runs in a fork of this process, which has no threads. Prints how many moments
were tried.
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
    """All of it gets the same fresh folder; each function runs in a process of its own."""

    def prepare(self, root: Path) -> None:
        """What is there before."""

    def run(self, root: Path) -> None:
        """The code that is ended at every moment."""

    def recover(self, root: Path) -> None:
        """What a node does that starts again."""

    def check(self, root: Path) -> None:
        """Asserts what must hold then."""


class Countdown:
    """Ends the process after so many changes."""

    def __init__(self, changes: int) -> None:
        self.left, self.lock = changes, threading.Lock()

    def count(self) -> None:
        """One change has been made."""
        with self.lock:
            self.left -= 1
            if self.left == 0:
                os._exit(CRASHED)

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same, counted."""

        def counted(*values: Any, **named: Any) -> Any:
            result = call(*values, **named)
            self.count()
            return result

        return counted

    def install(self) -> None:
        """For all modules of this process; `pathlib` and `shutil` call those of `os`."""
        for name in CALLS:
            setattr(os, name, self.around(getattr(os, name)))
        setattr(DefaultDialect, "do_commit", self.around(DefaultDialect.do_commit))  # noqa: B010 (a method)


def in_fork(work: Callable[[], None]) -> int:
    """The exit code of a process that does it."""
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
    """The work, ended after so many changes."""

    def counted() -> None:
        Countdown(changes).install()
        work(root)

    return counted


def require(work: Callable[[Path], None], root: Path, moment: str) -> None:
    """Raises AssertionError where it fails."""
    assert in_fork(lambda: work(root)) == FINISHED, f"expected {work} to succeed, it failed {moment}"


def crashed_everywhere(scenario: Scenario, root: Path, stride: int, recovery_stride: int) -> int:
    """Says how many moments were tried, each `stride`-th of the code. Raises AssertionError."""
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
    """Ends the recovery too, `stride` changes later each time, until it comes to its end; says how often."""
    tried, ended = 0, CRASHED
    while ended == CRASHED:
        tried += 1
        ended = in_fork(crashing(scenario.recover, root, tried * stride))
        assert ended in (CRASHED, FINISHED), f"expected to recover from a crash at change {changes}"
    return tried


def main() -> None:
    """One scenario of `crash_scenarios`."""
    name, root, stride, recovery_stride = sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:])
    scenario = importlib.import_module("tests.support.crash_scenarios").SCENARIOS[name]
    print(crashed_everywhere(scenario, root, stride, recovery_stride))


if __name__ == "__main__":
    main()
