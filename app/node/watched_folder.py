"""Takes DICOM files from a folder into the inbox, as if they had been sent."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import structlog

from app.node.inbox import Inbox
from operators.dicom.file_meta import with_standard_head
from operators.dicom.instance_identity import read_instance
from operators.errors import UnreadableError

log = structlog.get_logger()

REFUSED = "refused"


class WatchedFolder:
    """A file is taken when two looks found it the same; what is no DICOM goes to the subfolder `refused`."""

    def __init__(self, folder: Path, inbox: Inbox) -> None:
        self.folder, self.inbox = folder, inbox
        self.before: dict[Path, tuple[int, int]] = {}

    def look(self) -> int:
        """Says how many files were taken."""
        found = {path: size_and_time(path) for path in self.folder.rglob("*") if self._counts(path)}
        still = [path for path, now in found.items() if now is not None and self.before.get(path) == now]
        self.before = {path: now for path, now in found.items() if now is not None}
        return sum(self._take(path) for path in still)

    def _counts(self, path: Path) -> bool:
        return path.is_file() and not path.is_symlink() and path.relative_to(self.folder).parts[0] != REFUSED

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


def size_and_time(path: Path) -> tuple[int, int] | None:
    """None where it has just gone."""
    with suppress(FileNotFoundError):
        status = path.stat()
        return status.st_size, status.st_mtime_ns
    return None
