"""A received file on its way to its final name.

In `incoming` its name tells the final one and its size, so that whatever a power loss leaves under the final
name can be judged. It is locked until it is durable there, or gone from there: who finds it under the final
name waits for that lock before believing it.
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

from app.node.storage.file_lock import lock, unlock

PART, WHOLE = ".part", ".whole"
# Stands for the series in the name of a file that goes to the conflicts
CONFLICT = "conflict"
# A receiver syncs one file in milliseconds; one that hangs must not hold up the others for ever.
WAIT_S = 30.0
READ_BYTES = 1 << 20
# PS3.10 7.1: preamble, "DICM", then the group length element (12 bytes) and the rest of the group.
LENGTH_AT, META_AT = 140, 144


@dataclass(frozen=True)
class Place:
    """Where an instance goes: `series` is CONFLICT for one that goes to the conflicts."""

    folder: Path
    name: str
    study: str
    series: str

    @property
    def path(self) -> Path:
        """The final name."""
        return self.folder / self.name


class PendingFile:
    """Open from now on. At the end of the context its name in `incoming` is gone. Raises OSError."""

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
            with suppress(OSError):  # what stays is settled when the node starts again
                self.path.unlink()
        os.close(self.descriptor)

    def lock(self) -> None:
        """To be held from before the link until the file is durable. Raises OSError."""
        lock(self.descriptor, fcntl.LOCK_EX, WAIT_S)

    def unlock(self) -> None:
        """Who waits for another one's file holds none, so that nobody waits for ever."""
        unlock(self.descriptor)

    def rename_for(self, place: Place) -> None:
        """Takes the name that tells where it goes. Raises OSError."""
        path = self.path.with_name(pending_name(place, self.size, self.token))
        if path != self.path:
            self.path.rename(path)
            self.path = path

    def link(self, folder: int, name: str) -> bool:
        """Gives it its final name; False where that is taken. Raises OSError."""
        try:
            os.link(self.path, name, dst_dir_fd=folder)
        except FileExistsError:
            return False
        return True

    def take_back(self, folder: int, name: str) -> None:
        """Removes the final name, which is ours in that very folder; where it stays, `recover` judges it."""
        try:
            os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            return
        except OSError:
            self.is_stuck = True


def pending_name(place: Place, size: int, token: str) -> str:
    """Where the file will go and how long it is, as a file name; UIDs hold no underscore."""
    return f"{place.study}_{place.series}_{place.name}_{size}_{token}{WHOLE}"


def final_of(pending: str) -> tuple[str, str, str, int]:
    """Study, series, final name and size that a pending name tells. Raises ValueError for another name.

    Older versions wrote no token.
    """
    study, series, name, size, *_ = pending.removesuffix(WHOLE).split("_")
    return study, series, name, int(size)


@contextmanager
def settled_file(name: str, folder: int) -> Iterator[int]:
    """The file of that name in an open folder, when nobody is storing it any more. Raises OSError."""
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
    try:
        lock(descriptor, fcntl.LOCK_SH, WAIT_S)
        yield descriptor
    finally:
        os.close(descriptor)


def same_content(one: Path | int, other: Path | int) -> bool:
    """Whether two DICOM files hold the same data set, whoever wrote their file meta."""
    with reading(one) as first, reading(other) as second:
        return all(a == b for a, b in zip_longest(_blocks(first), _blocks(second)))


def content_hash(file: Path | int) -> str:
    """SHA-256 of the data set of a DICOM file."""
    digest = hashlib.sha256()
    with reading(file) as content:
        for block in _blocks(content):
            digest.update(block)
    return digest.hexdigest()


def reading(file: Path | int) -> BinaryIO:
    """An open file stays open afterwards."""
    return open(file, "rb", closefd=not isinstance(file, int))


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """The data set behind the file meta group, in blocks."""
    file.seek(LENGTH_AT)
    file.seek(META_AT + int.from_bytes(file.read(4), "little"))
    while block := file.read(READ_BYTES):
        yield block
