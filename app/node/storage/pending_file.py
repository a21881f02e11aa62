"""A received file until it has its final name.

In `incoming` its name states the final name and the size, so that after a power loss the file under the final
name can be checked. The file is locked until it is durable under its final name or removed from it; others
wait for that lock before they rely on the file.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from app.node.storage.file_lock import lock, opened

PART, WHOLE = ".part", ".whole"
# Replaces the series in the name of a file that goes to the conflicts
CONFLICT = "conflict"
# A receiver syncs a file within milliseconds; one that hangs must not block the others forever.
WAIT_S = 30.0
READ_BYTES = 1 << 20
# PS3.10 7.1: preamble, "DICM", then the group length element (12 bytes) and the rest of the group.
LENGTH_AT, META_AT = 140, 144


@dataclass(frozen=True)
class Place:
    """The final place of an instance; `series` is CONFLICT if it goes to the conflicts."""

    folder: Path
    name: str
    study: str
    series: str

    @property
    def path(self) -> Path:
        """Returns the final path."""
        return self.folder / self.name


class PendingFile:
    """An open file; its name in `incoming` is removed at the end of the context. Raises OSError."""

    def __init__(self, part: Path) -> None:
        self.path, self.token = part, os.urandom(8).hex()
        # A network file system grants exclusive locks to writers only
        self.descriptor = os.open(part, os.O_RDWR | os.O_NOFOLLOW)
        status = os.fstat(self.descriptor)
        self.identity, self.size = (status.st_dev, status.st_ino), status.st_size
        self.is_stuck = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if not self.is_stuck:
            with suppress(OSError):  # a name that remains is settled at the next start
                self.path.unlink()
        os.close(self.descriptor)

    def lock(self) -> None:
        """Locks the file, from before the link until the file is durable. Raises OSError."""
        lock(self.descriptor, fcntl.LOCK_EX, WAIT_S)

    def unlock(self) -> None:
        """Unlocks the file before waiting for another file's lock, which avoids deadlocks."""
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)

    def rename_for(self, place: Place) -> None:
        """Renames the file so that its name states its final place. Raises OSError."""
        path = self.path.with_name(pending_name(place, self.size, self.token))
        if path != self.path:
            self.path.rename(path)
            self.path = path

    def link(self, folder: int, name: str) -> bool:
        """Gives the file its final name; returns False if the name is taken. Raises OSError."""
        try:
            os.link(self.path, name, dst_dir_fd=folder)
        except FileExistsError:
            return False
        return True

    def take_back(self, folder: int, name: str) -> None:
        """Removes the file's own final name in the open folder; if that fails, `recover` settles it."""
        try:
            os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            return
        except OSError:
            self.is_stuck = True


def pending_name(place: Place, size: int, token: str) -> str:
    """Returns a file name that states the final place and the size; UIDs contain no underscore."""
    return f"{place.study}_{place.series}_{place.name}_{size}_{token}{WHOLE}"


def final_of(pending: str) -> tuple[str, str, str, int]:
    """Returns study, series, final name and size from a pending name. Raises ValueError for other names.

    Older versions wrote no token.
    """
    study, series, name, size, *_ = pending.removesuffix(WHOLE).split("_")
    return study, series, name, int(size)


@contextmanager
def settled_file(name: str, folder: int) -> Iterator[int]:
    """Yields the descriptor of a file in an open folder once nobody is storing it. Raises OSError."""
    with opened(name, os.O_RDONLY | os.O_NOFOLLOW, folder) as descriptor:
        lock(descriptor, fcntl.LOCK_SH, WAIT_S)
        yield descriptor


def same_content(one: Path | int, other: Path | int) -> bool:
    """Returns whether two DICOM files hold the same data set, regardless of their file meta information."""
    with reading(one) as first, reading(other) as second:
        return all(a == b for a, b in zip_longest(_blocks(first), _blocks(second)))


def content_hash(file: Path | int) -> str:
    """Returns the SHA-256 of the data set of a DICOM file."""
    digest = hashlib.sha256()
    with reading(file) as content:
        for block in _blocks(content):
            digest.update(block)
    return digest.hexdigest()


def reading(file: Path | int) -> BinaryIO:
    """Opens a path, or reads from a descriptor, which stays open afterwards."""
    return open(file, "rb", closefd=not isinstance(file, int))


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """Yields the data set after the file meta group in blocks."""
    file.seek(LENGTH_AT)
    file.seek(META_AT + int.from_bytes(file.read(4), "little"))
    while block := file.read(READ_BYTES):
        yield block
