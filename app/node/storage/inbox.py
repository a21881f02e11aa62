"""Keeps received instances: each is stored whole or not at all, under a name made of its checked UIDs.

inbox/<study>/<series>/<instance>.dcm    what was acknowledged
conflicts/<study>/<instance>.<hash>.dcm  another content under a UID that is already taken
incoming/<receiver>/                     what a receiver has in hand, or had when it was killed

Any number of receivers, each a thread or a process, may store the same instance at the same moment. A final
name is given by `link`, which fails where there is one. Whoever gave it holds the file's lock until the file
is durable, and takes the name back where it does not become so; the others wait for the lock, and then find
a durable file to compare theirs with, or a free name. Nobody removes a name that is not provably their own.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path

from app.node.storage.file_lock import identity, leads_to
from app.node.storage.pending_file import (
    CONFLICT,
    PART,
    WHOLE,
    PendingFile,
    Place,
    content_hash,
    same_content,
    settled_file,
)
from app.node.storage.receiver_folder import ReceiverFolder
from app.node.storage.recovery import FOLDER, recover, unsettled
from app.node.storage.study_lock import series_in_place
from operators.dicom.elements.atomic_file import sync_path
from operators.dicom.elements.instance_identity import Instance

# How often a name may change hands, or its folder be removed, while one file is stored
TRIES = 8
# Series whose folders are remembered to be durable
REMEMBERED = 10_000


class InboxOutcome(Enum):
    """The outcome for an instance that was offered."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


class FoundInstance(Enum):
    """The file under a final name after another was offered for it."""

    OURS = "ours"
    EQUAL = "equal"
    OTHER = "other"


class Inbox:
    """The folders below `root`; `receiver` says in names of folders who receives through it."""

    def __init__(self, root: Path, receiver: str = "listener") -> None:
        self.root, self.receiver = root, receiver
        self.studies, self.conflicts, self.incoming = root / "inbox", root / "conflicts", root / "incoming"
        for folder in (self.studies, self.incoming, self.conflicts):
            folder.mkdir(parents=True, exist_ok=True)
        self.syncs: Executor = ThreadPoolExecutor(thread_name_prefix="sync")
        self.durable_folders: dict[Path, tuple[int, int]] = {}
        self.own: ReceiverFolder | None = None
        self.claiming = threading.Lock()

    def new_part(self) -> Path:
        """A name for an instance that is still coming."""
        return self._own_folder() / f"{os.urandom(16).hex()}{PART}"

    def commit(self, part: Path, instance: Instance) -> InboxOutcome:
        """Takes a whole file over; when this returns, it has its final name and survives a power loss.

        Raises OSError where the disk does not take it; then nothing of it stays.
        """
        try:
            pending = PendingFile(part)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        with pending:
            return self._committed(pending, instance)

    def place(self, instance: Instance) -> Place:
        """Its final place."""
        study, series = instance.study_instance_uid, instance.series_instance_uid
        return Place(self.studies / study / series, f"{instance.sop_instance_uid}.dcm", study, series)

    def held(self, sop_instance_uids: Iterable[str]) -> frozenset[str]:
        """Which of these instances are safely here, by one look at the folders; see `files_in_place`."""
        wanted = {f"{uid}.dcm" for uid in sop_instance_uids}
        found: set[str] = set()
        for series in series_in_place(self.root):
            with suppress(FileNotFoundError, NotADirectoryError):
                found |= wanted.intersection(entry.name for entry in os.scandir(series))
        found.difference_update(unsettled(self.incoming))
        return frozenset(name.removesuffix(".dcm") for name in found)

    def free_bytes(self) -> int:
        """Returns the free bytes of the disk below the inbox."""
        return shutil.disk_usage(self.studies).free

    def unfinished(self) -> list[Path]:
        """Files that are still coming or being stored, or that a crash left."""
        return [path for path in self.incoming.rglob("*") if path.suffix in (PART, WHOLE)]

    def recover(self) -> int:
        """Clears what receivers left that live no more; says how many files. Raises OSError.

        To be called before anything is received. Others may receive meanwhile.
        """
        return recover(self.root)

    def _own_folder(self) -> Path:
        if self.own is None:
            with self.claiming:
                self.own = self.own or ReceiverFolder(self.incoming, self.receiver)
        return self.own.path

    def _committed(self, pending: PendingFile, instance: Instance) -> InboxOutcome:
        found = self._offer(pending, self.place(instance))
        if found is not FoundInstance.OTHER:
            return InboxOutcome.STORED if found is FoundInstance.OURS else InboxOutcome.DUPLICATE
        # The token's name is free; that of the hash may be another's where the disk has altered a file.
        for version in (content_hash(pending.descriptor)[:16], pending.token):
            if self._offer(pending, self._conflict(instance, version)) is not FoundInstance.OTHER:
                return InboxOutcome.CONFLICT
        raise OSError(errno.EEXIST, "expected a free name among the conflicts")

    def _conflict(self, instance: Instance, version: str) -> Place:
        study = instance.study_instance_uid
        return Place(self.conflicts / study, f"{instance.sop_instance_uid}.{version}.dcm", study, CONFLICT)

    def _offer(self, pending: PendingFile, place: Place) -> FoundInstance:
        """Says what is durable under a final name: this file, an equal one, or another. Raises OSError.

        Begins again where the name was taken back by who had it, or where retention moved its folder away.
        """
        failed = OSError(errno.EBUSY, "expected a final name, it changed hands again and again")
        for _ in range(TRIES):
            try:
                if found := self._offered(pending, place):
                    return found
            except FileNotFoundError as error:
                failed = error
        raise failed

    def _offered(self, pending: PendingFile, place: Place) -> FoundInstance | None:
        """One try; None where the name leads to another file by now."""
        with self._folder(place.folder) as folder:
            pending.lock()
            pending.rename_for(place)
            if not pending.link(folder, place.name):
                pending.unlock()
                return self._compared(pending, folder, place)
            try:
                self._make_durable(pending.descriptor, folder)
            except OSError:
                pending.take_back(folder, place.name)
                raise
            return FoundInstance.OURS if leads_to(place.path, pending.identity) else None

    def _compared(self, pending: PendingFile, folder: int, place: Place) -> FoundInstance | None:
        """With the file that has the name, made durable by us too: who gave it may have been killed."""
        with settled_file(place.name, folder) as other:
            is_equal = same_content(pending.descriptor, other)
            if is_equal:
                self._make_durable(other, folder)
            if not leads_to(place.path, identity(other)):
                return None
            return FoundInstance.EQUAL if is_equal else FoundInstance.OTHER

    @contextmanager
    def _folder(self, path: Path) -> Iterator[int]:
        """A durable folder, open. Raises OSError."""
        try:
            descriptor = os.open(path, FOLDER)
        except FileNotFoundError:
            self._make_folder(path)
            descriptor = os.open(path, FOLDER)
        try:
            self._make_folder_durable(path, identity(descriptor))
            yield descriptor
        finally:
            os.close(descriptor)

    def _make_folder(self, path: Path) -> None:
        """Never the data folder itself, which may be a disk that is not there."""
        # A new folder may have the inode of one that was removed
        self.durable_folders.pop(path, None)
        top = self.studies if self.studies in path.parents else self.conflicts
        for name in path.relative_to(top).parts:
            top /= name
            with suppress(FileExistsError):
                top.mkdir()

    def _make_folder_durable(self, path: Path, number: tuple[int, int]) -> None:
        if self.durable_folders.get(path) == number:
            return
        for parent in (path.parent, path.parent.parent):
            sync_path(parent)
        if len(self.durable_folders) >= REMEMBERED:
            self.durable_folders.clear()
        self.durable_folders[path] = number

    def _make_durable(self, file: int, folder: int) -> None:
        """Both at once: the disk then needs one flush for them. Raises OSError."""
        names = self.syncs.submit(os.fsync, folder)
        try:
            os.fsync(file)
        finally:
            names.result()
