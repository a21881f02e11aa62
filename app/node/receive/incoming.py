"""An instance that is being received: a file that grows with each fragment until complete or refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from app.node.receive.command_set import StoreRequest
from operators.dicom.elements.meta_group import MetaGroup

# PS3.7 C and PS3.4 B.2.3: statuses of C-STORE
SUCCESS, OUT_OF_RESOURCES, NOT_THE_SOP_CLASS, CANNOT_UNDERSTAND = 0x0000, 0xA700, 0xA900, 0xC000
INVALID_INSTANCE = 0x0117
# How much of one data set is written between two checks of the free disk space.
CHECKED_BYTES = 4 << 20
# How much of its beginning is kept in memory: enough to identify the instance.
BEGUN_BYTES = 1 << 14
# POSIX: at least 16, Linux 1024
VIEWS_AT_ONCE = 1024


@dataclass(kw_only=True)
class GrowingFile:
    """A file that is being received; once `status` is set, further data are discarded."""

    status: int | None = None
    path: Path | None = None
    file: BinaryIO | None = field(default=None, repr=False)
    unchecked: int = 0
    begun: bytes = field(default=b"", repr=False)
    waiting: list[memoryview] = field(default_factory=list, repr=False)

    def open(self, path: Path) -> None:
        """Creates the file; an error, such as a full disk, sets `status`."""
        try:
            self.path, self.file = path, path.open("xb", buffering=0)
        except OSError:
            self.refuse(OUT_OF_RESOURCES)

    def take(self, content: memoryview) -> None:
        """Keeps a view for the next `flush`, until which it must be valid."""
        if len(self.begun) < BEGUN_BYTES:
            self.begun += content[: BEGUN_BYTES - len(self.begun)]
        self.waiting.append(content)

    def flush(self, has_room: Callable[[], bool]) -> None:
        """Writes the kept views; an error, such as a full disk, sets `status`.

        Free space is also checked while a data set is received, as it may be endless.
        """
        views, self.waiting = self.waiting, []
        if self.file is None:
            return
        try:
            self.unchecked += write_all(self.file.fileno(), views)
        except OSError:
            self.refuse(OUT_OF_RESOURCES)
        if self.unchecked >= CHECKED_BYTES:
            self.unchecked = 0
            if not has_room():
                self.refuse(OUT_OF_RESOURCES)

    def grow(self, content: memoryview, has_room: Callable[[], bool]) -> None:
        """Appends a view at once."""
        self.take(content)
        self.flush(has_room)

    def closed(self) -> Path | None:
        """Closes the file and returns its path, or None if it was refused. Raises OSError."""
        if self.file is None:
            return None
        self.file.close()
        self.file = None
        return self.path

    def refuse(self, status: int) -> None:
        """Sets `status` and removes the file."""
        self.status = status
        self.drop()

    def drop(self) -> None:
        """Closes and removes the file."""
        if self.file is not None:
            with suppress(OSError):
                self.file.close()
            self.file = None
        if self.path is not None:
            self.path.unlink(missing_ok=True)


@dataclass
class Incoming(GrowingFile):
    """A C-STORE in progress."""

    context_id: int
    request: StoreRequest
    meta: MetaGroup | None = None


def write_all(descriptor: int, views: list[memoryview]) -> int:
    """Writes all views, if necessary by several writes, and returns the number of bytes. Raises OSError."""
    total = 0
    while views:
        count = os.writev(descriptor, views[:VIEWS_AT_ONCE])
        total += count
        views = remove_element(views, count)
    return total


def remove_element(views: list[memoryview], count: int) -> list[memoryview]:
    """Returns the views without their first `count` bytes."""
    for at, view in enumerate(views):
        if count < len(view):
            return [view[count:], *views[at + 1 :]]
        count -= len(view)
    return []
