"""Files of a folder that others write to: nothing is followed that may have been swapped meanwhile.

Every folder is opened by its own name in the open one above it, and no link is followed, so that what was
checked is what is used. A file is removed, or moved, only after it got a name that nobody else knows, and
only if it then is the very file that was read.
"""

from __future__ import annotations

import os
import stat
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from app.node.storage.file_lock import leads_to

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
# A fifo would wait for its other end
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
# Begins the names of files that are about to be removed or moved; a crash may leave them.
CLAIMED = ".osteon-"
DEEPEST = 32
# From the shared folder down to a file
Names = tuple[str, ...]


class ChangedError(Exception):
    """The file is not the one that was looked at."""


@dataclass(frozen=True)
class FileVersion:
    """A file as it was at one look: any writing, and any other file under its name, makes another one."""

    identity: tuple[int, int]
    size: int
    changed_ns: tuple[int, int]


def version_of(status: os.stat_result) -> FileVersion:
    """Returns the version that a file's status stands for."""
    return FileVersion(
        (status.st_dev, status.st_ino), status.st_size, (status.st_mtime_ns, status.st_ctime_ns)
    )


@dataclass
class Walk:
    """Finds the regular files below an open folder; `wanted` says of names whether they count.

    `ignored` counts what does not: links, special files, folders too deep or not to be opened.
    """

    wanted: Callable[[Names], bool]
    ignored: Counter[str]

    def files(self, folder: int, above: Names = ()) -> Iterator[tuple[Names, FileVersion]]:
        """With their versions. Raises OSError for the topmost folder only."""
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
    """The folder of these names below an open one, `make`: made where it is missing.

    Raises OSError, also where one of the names is that of a link or of a file.
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
    """That version of a file, before and after the context. Raises ChangedError, OSError."""
    descriptor = os.open(name, FILE, dir_fd=folder)
    try:
        require_version(descriptor, version)
        yield descriptor
        require_version(descriptor, version)
    finally:
        os.close(descriptor)


def require_version(descriptor: int, version: FileVersion) -> None:
    """Raises ChangedError for a file that is another one by now."""
    if version_of(os.fstat(descriptor)) != version:
        raise ChangedError


def claim(name: str, folder: int, version: FileVersion) -> str:
    """Gives a file a name that nobody else knows, and returns that.

    Raises ChangedError where another file had taken the name; that one waits under the new name for the next
    look. Raises OSError.
    """
    claimed = f"{CLAIMED}{uuid.uuid4().hex}"
    os.rename(name, claimed, src_dir_fd=folder, dst_dir_fd=folder)
    if not leads_to(claimed, version.identity, folder):
        raise ChangedError
    return claimed


def remove(name: str, folder: int, version: FileVersion) -> None:
    """That very file, and no other one of its name. Raises ChangedError, OSError."""
    os.unlink(claim(name, folder, version), dir_fd=folder)


def move(name: str, folder: int, version: FileVersion, target: int) -> None:
    """Into an open folder, over nothing: where the name is taken, it gets another. Raises as `remove`."""
    claimed = claim(name, folder, version)
    try:
        os.link(claimed, name, src_dir_fd=folder, dst_dir_fd=target, follow_symlinks=False)
    except OSError:  # the name is taken, or the file system knows no hard links
        os.rename(claimed, claimed.removeprefix("."), src_dir_fd=folder, dst_dir_fd=target)
    else:
        os.unlink(claimed, dir_fd=folder)
