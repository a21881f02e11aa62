"""Reads, moves and removes files in a folder that others write to, without following swapped entries.

Every folder is opened by its name within its open parent, and links are not followed, so that the entry that
was checked is the one that is used. A file is removed or moved only after it was renamed to a name that
nobody else knows, and only if it then is the very file that was read.
"""

from __future__ import annotations

import os
import stat
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from app.node.storage.file_lock import FOLDER, leads_to, opened

# Without O_NONBLOCK, opening a FIFO would wait for its other end
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
# Prefix of files that are about to be removed or moved; a crash may leave them behind.
CLAIMED = ".osteon-"
DEEPEST = 32
# The names of folders and file from the shared folder down
Names = tuple[str, ...]


class ChangedError(Exception):
    """The file is no longer the one that was checked."""


@dataclass(frozen=True)
class FileVersion:
    """The state of a file at one look; writing to the file or replacing it changes its version."""

    identity: tuple[int, int]
    size: int
    changed_ns: tuple[int, int]


def version_of(status: os.stat_result) -> FileVersion:
    """Returns the version of a file from its status."""
    return FileVersion(
        (status.st_dev, status.st_ino), status.st_size, (status.st_mtime_ns, status.st_ctime_ns)
    )


@dataclass
class Walk:
    """Finds the regular files below an open folder whose names are `wanted`.

    `ignored` counts links, special files, and folders that are too deep or cannot be opened.
    """

    wanted: Callable[[Names], bool]
    ignored: Counter[str]

    def files(self, folder: int, above: Names = ()) -> Iterator[tuple[Names, FileVersion]]:
        """Yields the files and their versions. Raises OSError for the topmost folder only."""
        with os.scandir(folder) as entries:
            found = [(entry.name, (*above, entry.name)) for entry in entries]
        for name, names in sorted(found):
            if self.wanted(names):
                with suppress(FileNotFoundError):
                    yield from self._below(folder, names, os.stat(name, dir_fd=folder, follow_symlinks=False))

    def _below(
        self, folder: int, names: Names, status: os.stat_result
    ) -> Iterator[tuple[Names, FileVersion]]:
        if stat.S_ISREG(status.st_mode):
            yield names, version_of(status)
        elif not stat.S_ISDIR(status.st_mode):
            self.ignored["link" if stat.S_ISLNK(status.st_mode) else "special"] += 1
        elif len(names) > DEEPEST:
            self.ignored["too_deep"] += 1
        else:
            yield from self._in_folder(folder, names)

    def _in_folder(self, folder: int, names: Names) -> Iterator[tuple[Names, FileVersion]]:
        try:
            with opened_folder(folder, names[-1:]) as below:
                found = list(self.files(below, names))
        except OSError as error:
            self.ignored[f"folder: {error.strerror}"] += 1
        else:
            yield from found


@contextmanager
def opened_folder(top: int, names: Names, make: bool = False) -> Iterator[int]:
    """Yields the descriptor of a folder below an open one; `make` creates missing folders.

    Raises OSError, also if one of the names is a link or a file.
    """
    descriptor = os.dup(top)
    try:
        for name in names:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(name, dir_fd=descriptor)
            below = os.open(name, FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def opened_file(name: str, folder: int, version: FileVersion) -> Iterator[int]:
    """Yields a file's descriptor; its version is checked before and after. Raises ChangedError, OSError."""
    with opened(name, FILE, folder) as descriptor:
        require_version(descriptor, version)
        yield descriptor
        require_version(descriptor, version)


def require_version(descriptor: int, version: FileVersion) -> None:
    """Raises ChangedError if an open file does not have this version."""
    if version_of(os.fstat(descriptor)) != version:
        raise ChangedError


def claim(name: str, folder: int, version: FileVersion) -> str:
    """Renames a file to a name that nobody else knows, and returns that name.

    Raises ChangedError if another file had taken the old name; it keeps the new one until the next look.
    Raises OSError.
    """
    claimed = f"{CLAIMED}{uuid.uuid4().hex}"
    os.rename(name, claimed, src_dir_fd=folder, dst_dir_fd=folder)
    if not leads_to(claimed, version.identity, folder):
        raise ChangedError
    return claimed


def remove(name: str, folder: int, version: FileVersion) -> None:
    """Removes this version of a file, but no other file of its name. Raises ChangedError, OSError."""
    os.unlink(claim(name, folder, version), dir_fd=folder)


def move(name: str, folder: int, version: FileVersion, target: int) -> None:
    """Moves a file to an open folder, under a new name if its name is taken. Raises as `remove`."""
    claimed = claim(name, folder, version)
    try:
        os.link(claimed, name, src_dir_fd=folder, dst_dir_fd=target, follow_symlinks=False)
    except OSError:  # the name is taken, or the file system has no hard links
        os.rename(claimed, claimed.removeprefix("."), src_dir_fd=folder, dst_dir_fd=target)
    else:
        os.unlink(claimed, dir_fd=folder)
