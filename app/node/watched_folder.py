"""Takes DICOM files from a folder into the inbox, as if they had been sent."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog

from app.node.inbox import Inbox
from operators.dicom.file_meta import with_standard_head
from operators.dicom.instance_identity import read_instance
from operators.errors import UnreadableError

log = structlog.get_logger()

REFUSED = "refused"
UNFINISHED = frozenset((".part", ".tmp", ".filepart", ".crdownload"))
AT_ONCE = 100
# Size, time of the last change, and since when both are so
Seen = tuple[int, int, float]


class WatchedFolder:
    """A file is taken when it was the same for `settled_s`; what is no DICOM goes to the subfolder `refused`.

    Who writes slowly writes under a name with one of the endings that are left alone, and renames. Where
    the disk has no more than `minimum_free_bytes`, files stay where they are.
    """

    def __init__(
        self, folder: Path, inbox: Inbox, settled_s: float = 0.0, now_s: Callable[[], float] = time.monotonic,
        minimum_free_bytes: int = 0,
    ) -> None:
        self.folder, self.inbox, self.settled_s, self.now_s = folder, inbox, settled_s, now_s
        self.minimum_free_bytes = minimum_free_bytes
        self.before: dict[Path, Seen] = {}

    def look(self) -> int:
        """Says how many files were taken; a few at each look, so that the node can see to the rest."""
        now = {path: self._seen(path) for path in self.folder.rglob("*") if self._counts(path)}
        still = [path for path, seen in now.items() if self._is_settled(path, seen)]
        self.before = {path: seen for path, seen in now.items() if seen is not None}
        return sum(self._take(path) for path in still[:AT_ONCE] if self._has_room())

    def _has_room(self) -> bool:
        return self.inbox.free_bytes() > self.minimum_free_bytes

    def _counts(self, path: Path) -> bool:
        names = path.relative_to(self.folder).parts
        hidden = any(name.startswith(".") for name in names) or path.suffix in UNFINISHED
        return path.is_file() and not path.is_symlink() and names[0] != REFUSED and not hidden

    def _seen(self, path: Path) -> Seen | None:
        """None where it has just gone."""
        with suppress(FileNotFoundError):
            status, before = path.stat(), self.before.get(path)
            same = before is not None and before[:2] == (status.st_size, status.st_mtime_ns)
            return status.st_size, status.st_mtime_ns, before[2] if same and before else self.now_s()
        return None

    def _is_settled(self, path: Path, seen: Seen | None) -> bool:
        is_same = seen is not None and self.before.get(path) == seen
        return is_same and seen is not None and self.now_s() - seen[2] >= self.settled_s

    def _take(self, path: Path) -> bool:
        part = self.inbox.new_part()
        try:
            instance = read_instance(path)
            with part.open("xb") as file:
                with_standard_head(path, file)
            self.inbox.commit(part, instance)
            path.unlink()
            return True
        except UnreadableError as error:
            log.warning("watched_file_refused", code=error.code)
            self._refuse(path)
        except OSError as error:
            log.error("watched_file_postponed", error=error.strerror)
        finally:
            part.unlink(missing_ok=True)
        return False

    def _refuse(self, path: Path) -> None:
        target = self.folder / REFUSED / path.relative_to(self.folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, target)
