"""Locks of the operating system on open files; they end with their process, however it ends."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
POLL_S = 0.002


def try_lock(descriptor: int, operation: int) -> bool:
    """Tries to take a lock (fcntl.LOCK_EX or LOCK_SH), and returns whether it succeeded. Raises OSError.

    The lock belongs to the open file, so that threads exclude each other just as processes do. A network file
    system grants LOCK_EX only on a file that is open for writing.
    """
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock(descriptor: int, operation: int, within_s: float) -> None:
    """Waits at most `within_s` for a lock. Raises TimeoutError, which is an OSError."""
    deadline_s = time.monotonic() + within_s
    while not try_lock(descriptor, operation):
        if time.monotonic() > deadline_s:
            raise TimeoutError(errno.ETIMEDOUT, f"expected a lock within {within_s:.0f} s")
        time.sleep(POLL_S)


def is_locked(path: Path) -> bool:
    """Returns whether somebody holds an exclusive lock on a file; False if it is gone. Raises OSError."""
    try:
        with opened(path, os.O_RDONLY | os.O_NOFOLLOW) as descriptor:
            return not try_lock(descriptor, fcntl.LOCK_SH)
    except FileNotFoundError:
        return False


@contextmanager
def opened(path: Path | str, flags: int, folder: int | None = None) -> Iterator[int]:
    """Yields a descriptor, which stays valid if the file or folder is renamed. Raises OSError.

    A relative name is looked up in the open `folder`.
    """
    descriptor = os.open(path, flags, 0o600, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def identity(file: Path | int) -> tuple[int, int]:
    """Returns device and inode of a path or an open file. Raises OSError."""
    status = os.stat(file)  # noqa: PTH116 (also of a descriptor)
    return status.st_dev, status.st_ino


def leads_to(path: Path | str, wanted: tuple[int, int], folder: int | None = None) -> bool:
    """Returns whether a name, which may not be a link, refers to the file `wanted` (device and inode).

    A relative name is looked up in the open `folder`. Raises OSError.
    """
    try:
        status = os.stat(path, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (status.st_dev, status.st_ino) == wanted
