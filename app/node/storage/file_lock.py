"""Locks of the operating system on open files: they end with whoever holds them, however that ended."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path

POLL_S = 0.002


def try_lock(descriptor: int, operation: int) -> bool:
    """Whether the lock (fcntl.LOCK_EX or LOCK_SH) was free, and is held now. Raises OSError.

    Each opening of a file has a lock of its own, so threads exclude each other as processes do. A network
    file system grants LOCK_EX only on a file that is open for writing.
    """
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock(descriptor: int, operation: int, within_s: float) -> None:
    """Waits for a lock. Raises TimeoutError, which is an OSError."""
    deadline_s = time.monotonic() + within_s
    while not try_lock(descriptor, operation):
        if time.monotonic() > deadline_s:
            raise TimeoutError(errno.ETIMEDOUT, f"expected a lock within {within_s:.0f} s")
        time.sleep(POLL_S)


def unlock(descriptor: int) -> None:
    """Gives a lock back before its file is closed."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock of a file alone; False where the file has gone. Raises OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        return not try_lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def identity(descriptor: int) -> tuple[int, int]:
    """Device and inode of an open file."""
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def leads_to(path: Path | str, wanted: tuple[int, int], folder: int | None = None) -> bool:
    """Whether a name is that of this file, itself no link; `folder` is open. Raises OSError."""
    try:
        status = os.stat(path, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (status.st_dev, status.st_ino) == wanted
