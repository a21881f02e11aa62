"""Runs actors step by step over every interleaving; a step is one system call.

The real code runs on a real folder. Each actor is a thread that stops before each call of `os`, `fcntl.flock`
or `time.sleep`, until the explorer resumes it, makes the call fail, or ends it as kill -9 does. Two histories
that led to the same folder, and in which each actor saw the same, have the same future, so each such state is
visited once.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CALLS = (
    "open", "link", "rename", "replace", "unlink", "mkdir", "rmdir", "fsync", "stat", "listdir", "scandir",
)  # fmt: skip
# Errors of a full or broken disk, by call
FAILING = {
    "link": errno.ENOSPC,
    "rename": errno.ENOSPC,
    "mkdir": errno.ENOSPC,
    "fsync": errno.EIO,
    "unlink": errno.EIO,
    "open": errno.EIO,
}
GO, FAIL, KILL = "go", "fail", "kill"
# Actor and the outcome of its next call
Decision = tuple[int, str]
RANDOM = re.compile(r"[0-9a-f]{12,32}")
LOCAL = threading.local()


class Inode(int):
    """An inode number, which differs between histories."""


class Killed(BaseException):
    """The simulated end of an actor: no Exception, so that no code handles it."""


class Inline(Executor):
    """An executor that runs calls at once, in the actor's thread."""

    def submit(self, call: Callable[..., Any], /, *values: Any, **named: Any) -> Future[Any]:
        """Runs the call and returns a finished future."""
        future: Future[Any] = Future()
        try:
            future.set_result(call(*values, **named))
        except OSError as error:
            future.set_exception(error)
        return future


@dataclass
class Disk:
    """Durability of inodes: a power loss truncates the others. After a failed sync an inode stays lost."""

    synced: set[int] = field(default_factory=set)
    lost: set[int] = field(default_factory=set)

    def sync(self, descriptor: int) -> None:
        """Marks a file as durable, in place of a flush."""
        self.synced.add(os.fstat(descriptor).st_ino)

    def fail(self, descriptor: int) -> None:
        """Marks a file as lost: the kernel drops unwritten data, and later syncs succeed without it."""
        inode = os.fstat(descriptor).st_ino
        if inode not in self.synced:
            self.lost.add(inode)

    def is_durable(self, inode: int) -> bool:
        """Returns whether a power loss leaves the inode complete."""
        return inode in self.synced and inode not in self.lost


class Actor:
    """A thread that stops before each system call."""

    def __init__(self, run: Callable[[], Any], disk: Disk, root: Path) -> None:
        self.run, self.disk, self.root = run, disk, root
        self.go, self.stopped = threading.Semaphore(0), threading.Semaphore(0)
        self.decision = GO
        self.trace: list[Any] = []
        self.call: tuple[str, tuple[Any, ...]] = ("", ())
        self.is_done = self.is_killed = False
        self.outcome: Any = None
        self.opened: set[int] = set()
        self.refused: tuple[int, int] | None = None
        self.thread = threading.Thread(target=self._main, daemon=True)

    def start(self) -> None:
        """Runs until the first call."""
        self.thread.start()
        self.stopped.acquire()

    def step(self, decision: str) -> None:
        """Performs one call and runs until the next one or the end."""
        self.decision = decision
        self.go.release()
        self.stopped.acquire()

    def kill(self) -> None:
        """Ends the actor as kill -9 does: no further calls, and open files are closed."""
        self.is_killed = True
        if not self.is_done:
            self.step(GO)
        self.thread.join()
        for descriptor in self.opened:
            with suppress(OSError):
                os.close(descriptor)

    def is_blocked(self) -> bool:
        """Returns whether the actor waits for a lock that another one holds."""
        if self.call[0] != "sleep" or self.refused is None:
            return False
        descriptor, operation = self.refused
        try:
            REAL["flock"](descriptor, operation)
        except BlockingIOError:
            return True
        REAL["flock"](descriptor, fcntl.LOCK_UN)
        return False

    def _main(self) -> None:
        LOCAL.actor = self
        try:
            self.outcome = self.run()
        except Killed:
            self.outcome = Killed
        except Exception as error:
            self.outcome = error
        self.is_done = True
        self.stopped.release()

    def perform(self, name: str, values: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Performs an instrumented call after the explorer's decision."""
        if self.is_killed:
            raise Killed
        self.call = (name, values)
        self.stopped.release()
        self.go.acquire()
        if self.is_killed:
            raise Killed
        try:
            result = self._performed(name, values, named)
        except OSError as error:
            self.trace.append((name, error.errno, self.decision))
            raise
        self.trace.append((name, self._seen(result), self.decision))
        return result

    def _performed(self, name: str, values: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if self.decision == FAIL:
            if name == "fsync":
                self.disk.fail(values[0])
            raise OSError(FAILING[name], "injected")
        if name == "fsync":
            return self.disk.sync(values[0])
        if name == "sleep":
            return None
        if name == "flock":
            self.refused = values
        result = REAL[name](*values, **named)
        if name == "open":
            self.opened.add(result)
        return result

    def _seen(self, result: Any) -> Any:
        if not isinstance(result, os.stat_result):
            return None
        return stat.S_IFMT(result.st_mode), Inode(result.st_ino)


MODULES: dict[str, Any] = {name: os for name in CALLS} | {"flock": fcntl, "sleep": time}
REAL: dict[str, Callable[..., Any]] = {name: getattr(module, name) for name, module in MODULES.items()}
CLOSE = os.close


def instrumented(name: str) -> Callable[..., Any]:
    """Wraps a function so that it stops actors and no other threads."""

    def call(*values: Any, **named: Any) -> Any:
        actor = getattr(LOCAL, "actor", None)
        return REAL[name](*values, **named) if actor is None else actor.perform(name, values, named)

    return call


def close(fd: int) -> None:
    """Closes a descriptor without a step, since only waiters for its lock could notice."""
    if actor := getattr(LOCAL, "actor", None):
        actor.opened.discard(fd)
    CLOSE(fd)


@contextmanager
def instrumentation() -> Iterator[None]:
    """Replaces the functions in `os` and other modules within the context."""
    for name, module in MODULES.items():
        setattr(module, name, instrumented(name))
    os.close = close
    try:
        yield
    finally:
        os.close = CLOSE
        for name, module in MODULES.items():
            setattr(module, name, REAL[name])


class Scene:
    """A fresh folder and its actors, built anew for each history by a subclass."""

    def __init__(self, root: Path) -> None:
        self.root, self.disk = root, Disk()
        self.actors = [Actor(run, self.disk, root) for run in self.parts()]

    def parts(self) -> list[Callable[[], Any]]:
        """Returns the code of each actor."""
        raise NotImplementedError

    @property
    def failing(self) -> tuple[int, ...]:
        """Returns the actors whose calls fail in some histories."""
        return (0,)

    @property
    def mortal(self) -> tuple[int, ...]:
        """Returns the actors that are killed in some histories while the others continue."""
        return ()

    def killed(self, actor: int) -> None:
        """Is called after an actor was killed."""

    def check_end(self, failed: bool) -> None:
        """Asserts the invariants at the end of all actors; `failed`: a call failed or an actor was killed."""

    def check_crash(self, power: bool) -> None:
        """Asserts the invariants after a crash, with a power loss if `power`."""

    def tear(self) -> None:
        """Truncates every file that is not durable, as a power loss may."""
        for path in files(self.root):
            if path.suffix != ".lock" and not self.disk.is_durable(path.stat().st_ino):
                os.truncate(path, path.stat().st_size // 2)


def files(root: Path) -> list[Path]:
    """Returns all files below a folder."""
    return [path for path in root.rglob("*") if path.is_file()]


@dataclass
class Explored:
    """Statistics of an exploration."""

    states: int = 0
    ends: int = 0
    crashes: int = 0


class Explorer:
    """Visits every state of a scene once."""

    def __init__(self, root: Path, make: Callable[[Path], Scene], crash: bool = True) -> None:
        self.root, self.make, self.crash = root, make, crash
        self.visited: set[Any] = set()
        self.found = Explored()
        self.turn = 0

    def explore(self) -> Explored:
        """Explores depth first; each state is reached by replaying its history."""
        with instrumentation():
            waiting: list[tuple[Decision, ...]] = [()]
            while waiting:
                waiting += self._visit(waiting.pop())
        return self.found

    def _visit(self, history: tuple[Decision, ...]) -> list[tuple[Decision, ...]]:
        with self._replayed(history) as scene:
            failed = any(decision != GO for _, decision in history)
            key = (tuple(tuple(actor.trace) for actor in scene.actors), self._folder(scene), failed)
            key = self._numbered(key)
            if key in self.visited:
                return []
            self.visited.add(key)
            self.found.states += 1
            following = self._following(scene, failed)
            if all(actor.is_done for actor in scene.actors):
                self.found.ends += 1
                scene.check_end(failed)
            else:
                assert following, f"expected no deadlock, got one after {history}"
        if self.crash:
            for power in (False, True):
                with self._replayed(history) as scene:
                    self._kill(scene)
                    self.found.crashes += 1
                    scene.check_crash(power)
        return [(*history, decision) for decision in following]

    def _following(self, scene: Scene, failed: bool) -> list[Decision]:
        able = [n for n, actor in enumerate(scene.actors) if not actor.is_done and not actor.is_blocked()]
        going = [(n, GO) for n in able]
        if failed:
            return going
        failing = [n for n in able if n in scene.failing and scene.actors[n].call[0] in FAILING]
        killed = [n for n in able if n in scene.mortal]
        return [*going, *((n, FAIL) for n in failing), *((n, KILL) for n in killed)]

    @contextmanager
    def _replayed(self, history: tuple[Decision, ...]) -> Iterator[Scene]:
        self.turn += 1
        root = self.root / str(self.turn)
        root.mkdir()
        scene = self.make(root)
        for actor in scene.actors:
            actor.start()
        for n, decision in history:
            if decision == KILL:
                scene.actors[n].kill()
                scene.killed(n)
            else:
                scene.actors[n].step(decision)
        try:
            yield scene
        except AssertionError as error:
            error.add_note(f"after {[(n, decision) for n, decision in history]}")
            error.add_note(str([[step[0] for step in actor.trace] for actor in scene.actors]))
            raise
        finally:
            self._kill(scene)
            shutil.rmtree(root)

    def _kill(self, scene: Scene) -> None:
        for actor in scene.actors:
            if not actor.is_killed:
                actor.kill()

    def _folder(self, scene: Scene) -> tuple[Any, ...]:
        found = [(path, path.stat()) for path in scene.root.rglob("*")]
        return tuple(
            sorted(
                (RANDOM.sub("*", str(path.relative_to(scene.root))), Inode(status.st_ino), status.st_size)
                for path, status in found
                if path.is_file()
            )
        )

    def _numbered(self, key: Any) -> Any:
        """Numbers inodes by first occurrence, since they differ between histories."""
        numbers: dict[int, int] = {}

        def walk(value: Any) -> Any:
            if isinstance(value, tuple):
                return tuple(walk(each) for each in value)
            if isinstance(value, Inode):
                return numbers.setdefault(value, len(numbers))
            return value

        return walk(key)
