"""The folder for the incoming files of a receiver, and the lock that shows whether the receiver runs.

incoming/<machine>-<receiver>-<token>/      files that one receiver is storing
incoming/<machine>-<receiver>-<token>.lock  locked as long as that receiver runs
"""

from __future__ import annotations

import fcntl
import os
import uuid
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.node.storage.file_lock import identity, is_locked, leads_to, lock, opened, try_lock

LOCK = ".lock"
# Time that another process may take to settle what a crash left; 100,000 files take less.
RECOVERY_S = 600.0


class ReceiverFolder:
    """A new folder, held until its object or its process ends. Raises OSError if `incoming` is gone."""

    def __init__(self, incoming: Path, receiver: str) -> None:
        self.path, self.descriptor = claim_folder(incoming, receiver)
        weakref.finalize(self, os.close, self.descriptor)


def claim_folder(incoming: Path, receiver: str) -> tuple[Path, int]:
    """Creates a folder and returns it with the descriptor of its lock.

    Starts over if a recovery meanwhile removed the lock file, because there was no folder for it yet.
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
    """Returns the lock file beside a folder."""
    return folder.with_name(folder.name + LOCK)


def receivers(incoming: Path) -> list[Path]:
    """Returns the folders of all receivers, both running and ended."""
    return [path for path in incoming.iterdir() if path.is_dir()]


def is_alive(folder: Path) -> bool:
    """Returns whether a receiver's lock is held; receivers of older versions hold none."""
    return is_locked(lock_of(folder))


@contextmanager
def dead_receivers(incoming: Path) -> Iterator[list[Path]]:
    """Yields the folders of receivers that have ended, to one process at a time. Raises OSError."""
    with opened(incoming / "recovery.lock", os.O_RDWR | os.O_CREAT) as descriptor:
        lock(descriptor, fcntl.LOCK_EX, RECOVERY_S)
        remove_unused_locks(incoming)
        yield [folder for folder in receivers(incoming) if not is_alive(folder)]


def remove_unused_locks(incoming: Path) -> None:
    """Removes the locks of receivers whose folder was never created or is gone.

    Locks each meanwhile, so that nobody creates the folder.
    """
    for path in incoming.glob(f"*-*{LOCK}"):
        with suppress(FileNotFoundError), opened(path, os.O_RDWR) as descriptor:
            if try_lock(descriptor, fcntl.LOCK_EX) and not path.with_suffix("").exists():
                path.unlink()


def remove_receiver(folder: Path) -> None:
    """Removes the folder of an ended receiver and its lock, unless files are left in it."""
    with suppress(OSError):
        folder.rmdir()
        lock_of(folder).unlink(missing_ok=True)
