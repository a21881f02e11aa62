"""Locks of the operating system on open files; they end with their process, however it ends."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path

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


def unlock(descriptor: int) -> None:
    """Releases a lock before its file is closed."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)


def is_locked(path: Path) -> bool:
    """Returns whether somebody holds an exclusive lock on a file; False if it is gone. Raises OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        return not try_lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def identity(descriptor: int) -> tuple[int, int]:
    """Returns device and inode of an open file."""
    status = os.fstat(descriptor)
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
