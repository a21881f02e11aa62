"""Stores received instances: each atomically, under a name made of its validated UIDs.

inbox/<study>/<series>/<instance>.dcm    acknowledged instances
conflicts/<study>/<instance>.<hash>.dcm  different content under a UID that is already taken
incoming/<receiver>/                     what a receiver is storing, or was storing when it was killed

Any number of receivers, each a thread or a process, may store the same instance at the same moment. A final
name is given by `link`, which fails if the name exists. Whoever gave it holds the file's lock until the file
is durable, and removes the name if that fails; the others wait for the lock, and then find a durable file to
compare theirs with, or a free name. A receiver removes only names that are provably its own.
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

from app.node.storage.file_lock import FOLDER, identity, leads_to
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
from app.node.storage.recovery import recover, unsettled
from app.node.storage.study_lock import series_in_place
from operators.dicom.elements.atomic_file import sync_path
from operators.dicom.elements.instance_identity import Instance

# Attempts to store one file while others take or remove its name or its folder
TRIES = 8
# Number of series whose folders are remembered as durable
REMEMBERED = 10_000


class InboxOutcome(Enum):
    """The outcome for an offered instance."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


class Inbox:
    """The inbox in the data folder `root`; `receiver` becomes part of the name of its incoming folder."""

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
        """Returns a path for an instance that is being received."""
        return self._own_folder() / f"{os.urandom(16).hex()}{PART}"

    def commit(self, part: Path, instance: Instance) -> InboxOutcome:
        """Stores a completely received file; on return it has its final name and survives a power loss.

        Raises OSError if it cannot be stored; then nothing of it remains.
        """
        try:
            pending = PendingFile(part)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        with pending:
            return self._committed(pending, instance)

    def place(self, instance: Instance) -> Place:
        """Returns the final place of an instance."""
        study, series = instance.study_instance_uid, instance.series_instance_uid
        return Place(self.studies / study / series, f"{instance.sop_instance_uid}.dcm", study, series)

    def held(self, sop_instance_uids: Iterable[str]) -> frozenset[str]:
        """Returns those of the instances that are stored durably; to be called within `files_in_place`."""
        wanted = {f"{uid}.dcm" for uid in sop_instance_uids}
        found: set[str] = set()
        for series in series_in_place(self.root):
            with suppress(FileNotFoundError, NotADirectoryError):
                found |= wanted.intersection(entry.name for entry in os.scandir(series))
        found.difference_update(unsettled(self.incoming))
        return frozenset(name.removesuffix(".dcm") for name in found)

    def free_bytes(self) -> int:
        """Returns the free bytes on the disk of the inbox."""
        return shutil.disk_usage(self.studies).free

    def unfinished(self) -> list[Path]:
        """Returns the files that are being received or stored, or that a crash left behind."""
        return [path for path in self.incoming.rglob("*") if path.suffix in (PART, WHOLE)]

    def recover(self) -> int:
        """Removes the files of receivers that have ended, and returns their number. Raises OSError.

        To be called before anything is received. Other receivers may run meanwhile.
        """
        return recover(self.root)

    def _own_folder(self) -> Path:
        if self.own is None:
            with self.claiming:
                self.own = self.own or ReceiverFolder(self.incoming, self.receiver)
        return self.own.path

    def _committed(self, pending: PendingFile, instance: Instance) -> InboxOutcome:
        found = self._offer(pending, self.place(instance))
        if found is not InboxOutcome.CONFLICT:
            return found
        # The token's name is free; the hash's may belong to another file if the disk has altered one.
        for version in (content_hash(pending.descriptor)[:16], pending.token):
            if self._offer(pending, self._conflict(instance, version)) is not InboxOutcome.CONFLICT:
                return InboxOutcome.CONFLICT
        raise OSError(errno.EEXIST, "expected a free name among the conflicts")

    def _conflict(self, instance: Instance, version: str) -> Place:
        study = instance.study_instance_uid
        return Place(self.conflicts / study, f"{instance.sop_instance_uid}.{version}.dcm", study, CONFLICT)

    def _offer(self, pending: PendingFile, place: Place) -> InboxOutcome:
        """Returns which file is durable under a final name: this one, a duplicate, or another (CONFLICT).

        Starts over if another receiver removed the name, or if retention moved the folder. Raises OSError.
        """
        failed = OSError(errno.EBUSY, "expected a final name, others took and removed it repeatedly")
        for _ in range(TRIES):
            try:
                if found := self._offered(pending, place):
                    return found
            except FileNotFoundError as error:
                failed = error
        raise failed

    def _offered(self, pending: PendingFile, place: Place) -> InboxOutcome | None:
        """Offers the file once; None if the name refers to another file by now."""
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
            return InboxOutcome.STORED if leads_to(place.path, pending.identity) else None

    def _compared(self, pending: PendingFile, folder: int, place: Place) -> InboxOutcome | None:
        """Compares with the file that has the name; flushes it too, as its receiver may have been killed."""
        with settled_file(place.name, folder) as other:
            is_equal = same_content(pending.descriptor, other)
            if is_equal:
                self._make_durable(other, folder)
            if not leads_to(place.path, identity(other)):
                return None
            return InboxOutcome.DUPLICATE if is_equal else InboxOutcome.CONFLICT

    @contextmanager
    def _folder(self, path: Path) -> Iterator[int]:
        """Yields the descriptor of a folder, after creating it and making it durable. Raises OSError."""
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
        """Creates a folder, but never the data folder itself, whose disk may not be mounted."""
        # A new folder may reuse the inode of a removed one
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
        """Flushes the file and its folder at once, so that the disk flushes only once. Raises OSError."""
        names = self.syncs.submit(os.fsync, folder)
        try:
            os.fsync(file)
        finally:
            names.result()
