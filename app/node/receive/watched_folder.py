"""Moves DICOM files from a folder into the inbox, as if they had been sent."""

from __future__ import annotations

import errno
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePath

import structlog

from app.node.receive.shared_folder import (
    CLAIMED,
    ChangedError,
    FileVersion,
    Names,
    Walk,
    move,
    opened_file,
    opened_folder,
    remove,
)
from app.node.storage.inbox import Inbox
from operators.dicom.elements.file_meta import with_standard_head
from operators.dicom.elements.instance_identity import read_instance
from operators.errors import UnreadableError, shortage

log = structlog.get_logger()

REFUSED = "refused"
UNFINISHED = frozenset((".part", ".tmp", ".filepart", ".crdownload"))
AT_ONCE = 100
# Pause before a file that cannot be read or removed is tried again.
PAUSE_S = 60.0
FULL = (errno.ENOSPC, errno.EDQUOT)


class WatchedFolder:
    """Takes files that have not changed for `settled_s`; files that are not DICOM go to the folder `refused`.

    A program that writes slowly should use a name with one of the UNFINISHED suffixes, and rename the file
    when it is complete. Files stay where they are while the disk has no more than `minimum_free_bytes`. Links
    and special files are ignored. An error with one file affects that file only.
    """

    def __init__(
        self,
        folder: Path,
        inbox: Inbox,
        settled_s: float = 0.0,
        now_s: Callable[[], float] = time.monotonic,
        minimum_free_bytes: int = 0,
    ) -> None:
        self.folder, self.inbox, self.settled_s, self.now_s = folder, inbox, settled_s, now_s
        self.minimum_free_bytes = minimum_free_bytes
        # For each file: its version and since when; and until when not to retry it
        self.before: dict[Names, tuple[FileVersion, float]] = {}
        self.postponed: dict[Names, float] = {}
        self.ignored: Counter[str] = Counter()

    def look(self) -> int:
        """Takes up to AT_ONCE files and returns their number."""
        try:
            top = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            self._log_ignored(Counter({f"watched folder: {error.strerror}": 1}))
            return 0
        try:
            return self._take_all(top, self._settled(top))
        finally:
            os.close(top)

    def _settled(self, top: int) -> list[tuple[Names, FileVersion]]:
        """Returns the files that have not changed for long enough and are not postponed."""
        walk, now_s, before = Walk(counts, Counter()), self.now_s(), self.before
        now = dict(walk.files(top))
        self._log_ignored(walk.ignored)
        same = {names for names, version in now.items() if names in before and before[names][0] == version}
        self.before = {
            names: before[names] if names in same else (version, now_s) for names, version in now.items()
        }
        self.postponed = {names: s for names, s in self.postponed.items() if names in now and s > now_s}
        return [
            (names, version)
            for names, (version, since_s) in self.before.items()
            if names in same and names not in self.postponed and now_s - since_s >= self.settled_s
        ]

    def _take_all(self, top: int, settled: list[tuple[Names, FileVersion]]) -> int:
        taken = 0
        for names, version in settled[:AT_ONCE]:
            if self.inbox.free_bytes() <= self.minimum_free_bytes:
                break
            taken += self._take(top, names, version)
        return taken

    def _take(self, top: int, names: Names, version: FileVersion) -> bool:
        """Takes one file and returns whether it was stored; an error affects no other file."""
        try:
            with opened_folder(top, names[:-1]) as folder:
                return self._take_from(top, folder, names, version)
        except (ChangedError, FileNotFoundError):
            return False
        except OSError as error:
            log.error("watched_file_postponed", error=reason_of(error))
            if error.errno not in FULL:
                self.postponed[names] = self.now_s() + PAUSE_S
        return False

    def _take_from(self, top: int, folder: int, names: Names, version: FileVersion) -> bool:
        """Stores one file, or moves it to the refused ones. Raises ChangedError, OSError."""
        try:
            self._store(folder, names[-1], version)
        except (ChangedError, OSError):
            raise
        except Exception as error:
            if shortage(error):
                raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)) from error
            code = error.code if isinstance(error, UnreadableError) else type(error).__name__
            log.warning("watched_file_refused", code=code)
            with refused_folder(top, names[:-1]) as target:
                move(names[-1], folder, version, target)
            return False
        remove(names[-1], folder, version)
        return True

    def _store(self, folder: int, name: str, version: FileVersion) -> None:
        """Stores a file, read by its descriptor as its name may refer to another file by now."""
        part = self.inbox.new_part()
        try:
            with opened_file(name, folder, version) as descriptor:
                path = Path(f"/proc/self/fd/{descriptor}")
                instance = read_instance(path)
                with part.open("xb") as file:
                    with_standard_head(path, file)
            self.inbox.commit(part, instance)
        finally:
            part.unlink(missing_ok=True)

    def _log_ignored(self, ignored: Counter[str]) -> None:
        """Logs ignored entries whenever their counts have changed."""
        if ignored != self.ignored:
            log.warning("watched_entries_ignored", count=dict(ignored))
        self.ignored = ignored


class ObstacleError(OSError):
    """The folder for refused files cannot be used."""


def reason_of(error: OSError) -> str:
    """Returns the text for the log, without file names, which come from outside."""
    if isinstance(error, ObstacleError):
        text = f"expected a folder for refused files named {REFUSED!r} in the watched folder"
        return f"{text}, got: {error.strerror}"
    return error.strerror or type(error).__name__


def counts(names: Names) -> bool:
    """Returns whether a file or folder of that name is considered."""
    name = names[-1]
    is_hidden = name.startswith(".") and not name.startswith(CLAIMED)
    return names[0] != REFUSED and not is_hidden and PurePath(name).suffix not in UNFINISHED


@contextmanager
def refused_folder(top: int, names: Names) -> Iterator[int]:
    """Opens the matching subfolder of `refused`, or `refused` itself if a file or a link has its name.

    Raises ObstacleError if `refused` cannot be opened as a folder.
    """
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(opened_folder(top, (REFUSED, *names), make=True))
        except OSError:
            try:
                folder = stack.enter_context(opened_folder(top, (REFUSED,), make=True))
            except OSError as error:
                raise ObstacleError(error.errno, error.strerror) from error
        yield folder
