"""Where a receiver keeps what it is receiving, and how others know whether it still lives.

incoming/<machine>-<receiver>-<token>/      files on their way, of one receiver alone
incoming/<machine>-<receiver>-<token>.lock  locked as long as that receiver lives
"""

from __future__ import annotations

import fcntl
import os
import uuid
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.node.storage.file_lock import identity, is_locked, leads_to, lock, try_lock

LOCK = ".lock"
# Another process settles what a crash left; a hundred thousand files take it less.
RECOVERY_S = 600.0


class ReceiverFolder:
    """A new folder, which ends with its object or its process. Raises OSError where `incoming` is gone."""

    def __init__(self, incoming: Path, receiver: str) -> None:
        self.path, self.descriptor = claim_folder(incoming, receiver)
        weakref.finalize(self, os.close, self.descriptor)


def claim_folder(incoming: Path, receiver: str) -> tuple[Path, int]:
    """A folder that nobody else has, and its lock.

    Whoever recovers may take the lock file of a receiver that has no folder yet for one that is left over.
    """
    while True:
        path = incoming / f"{os.uname().nodename}-{receiver}-{uuid.uuid4().hex[:12]}"
        descriptor = os.open(lock_of(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        if try_lock(descriptor, fcntl.LOCK_EX):
            path.mkdir()
            if leads_to(lock_of(path), identity(descriptor)):
                return path, descriptor
            with suppress(FileNotFoundError):
                path.rmdir()
        os.close(descriptor)


def lock_of(folder: Path) -> Path:
    """Its neighbour."""
    return folder.with_name(folder.name + LOCK)


def receivers(incoming: Path) -> list[Path]:
    """The folders of all receivers that live, and of those that ended without clearing up."""
    return [path for path in incoming.iterdir() if path.is_dir()]


def is_alive(folder: Path) -> bool:
    """Whether a receiver's lock is held; that of a receiver of older versions never is."""
    return is_locked(lock_of(folder))


@contextmanager
def dead_receivers(incoming: Path) -> Iterator[list[Path]]:
    """The folders of receivers that live no more, for one process at a time. Raises OSError."""
    descriptor = os.open(incoming / "recovery.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        lock(descriptor, fcntl.LOCK_EX, RECOVERY_S)
        remove_unused_locks(incoming)
        yield [folder for folder in receivers(incoming) if not is_alive(folder)]
    finally:
        os.close(descriptor)


def remove_unused_locks(incoming: Path) -> None:
    """Removes locks of receivers that ended before they had a folder, or whose folder is gone."""
    for path in incoming.glob(f"*-*{LOCK}"):
        with suppress(FileNotFoundError):
            remove_unused(path)


def remove_unused(path: Path) -> None:
    """A lock file without a folder; held meanwhile, so that nobody makes the folder."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        if try_lock(descriptor, fcntl.LOCK_EX) and not path.with_suffix("").exists():
            path.unlink()
    finally:
        os.close(descriptor)


def remove_receiver(folder: Path) -> None:
    """A dead one, where nothing is left in it."""
    with suppress(OSError):
        folder.rmdir()
        lock_of(folder).unlink(missing_ok=True)
