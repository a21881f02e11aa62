"""Keeps received instances: each is stored whole or not at all, under a name made of its checked UIDs.

inbox/<study>/<series>/<instance>.dcm   what was acknowledged
conflicts/<study>/<instance>.<hash>.dcm  another content under a UID that is already taken
incoming/<desk>/                         what a process is receiving, or was when the power went
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO

from operators.dicom.atomic_file import sync_path
from operators.dicom.instance_identity import Instance

PART, WHOLE = ".part", ".whole"
READ_BYTES = 1 << 20
# PS3.10 7.1: preamble, "DICM", then the group length element (12 bytes) and the rest of the group.
LENGTH_AT, META_AT = 140, 144


class Outcome(Enum):
    """What became of an instance that was offered."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


@dataclass(frozen=True)
class Place:
    """Where an instance goes, and the folders that must exist for it."""

    folder: Path
    name: str

    @property
    def path(self) -> Path:
        """The final name."""
        return self.folder / self.name


class Inbox:
    """The folders below `root`; `desk` names the process that receives through it."""

    def __init__(self, root: Path, desk: str = "listener") -> None:
        self.root = root
        self.studies, self.conflicts = root / "inbox", root / "conflicts"
        self.incoming = root / "incoming" / f"{os.uname().nodename}-{desk}"
        for folder in (self.studies, self.incoming, self.conflicts):
            folder.mkdir(parents=True, exist_ok=True)
        self.syncs = ThreadPoolExecutor(thread_name_prefix="sync")
        self.durable_folders: set[Path] = set()

    def new_part(self) -> Path:
        """A name for an instance that is still coming."""
        return self.incoming / f"{uuid.uuid4().hex}{PART}"

    def commit(self, part: Path, instance: Instance) -> Outcome:
        """Takes a whole file over; when this returns, it has its final name and survives a power loss.

        Raises OSError where the disk does not take it; then nothing of it stays.
        """
        place = self.place(instance)
        if self._linked(part, place, instance):
            return Outcome.STORED
        try:
            if same_content(part, place.path):
                self._make_durable(place)
                return Outcome.DUPLICATE
            self._linked(part, self._conflict(part, instance), instance)
            return Outcome.CONFLICT
        finally:
            part.unlink(missing_ok=True)

    def place(self, instance: Instance) -> Place:
        """Its final place."""
        folder = self.studies / instance.study_instance_uid / instance.series_instance_uid
        return Place(folder, f"{instance.sop_instance_uid}.dcm")

    def held(self, sop_instance_uids: Iterable[str]) -> frozenset[str]:
        """Which of these instances are safely here, by one look at the folders."""
        wanted = {f"{uid}.dcm" for uid in sop_instance_uids}
        found: set[str] = set()
        for series in self.studies.glob("*/*"):
            with suppress(FileNotFoundError, NotADirectoryError):
                found |= wanted.intersection(entry.name for entry in os.scandir(series))
        return frozenset(name.removesuffix(".dcm") for name in found)

    def free_bytes(self) -> int:
        """What the disk below the inbox still takes."""
        return shutil.disk_usage(self.studies).free

    def recover(self) -> int:
        """Called once before anything is received: clears what a crash left; says how many files."""
        left = list(self.incoming.iterdir())
        for path in left:
            if path.suffix == WHOLE:
                self._settle(path)
            path.unlink(missing_ok=True)
        return len(left)

    def _conflict(self, part: Path, instance: Instance) -> Place:
        name = f"{instance.sop_instance_uid}.{content_hash(part)[:16]}.dcm"
        return Place(self.conflicts / instance.study_instance_uid, name)

    def _linked(self, part: Path, place: Place, instance: Instance) -> bool:
        """Gives the file its final name; False where that is taken already.

        The neighbour in `incoming`, whose name tells the final one and the size, stays until the file is
        durable: whatever a power loss leaves under the final name, `recover` can judge.
        """
        pending = self.incoming / pending_name(place, part.stat().st_size, instance)
        try:
            self._make_folders(place.folder)
            part.rename(pending)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        try:
            os.link(pending, place.path)
            self._make_durable(place)
            return True
        except FileExistsError:
            pending.rename(part)
            return False
        except OSError:
            place.path.unlink(missing_ok=True)
            raise
        finally:
            pending.unlink(missing_ok=True)

    def _make_folders(self, folder: Path) -> None:
        if folder in self.durable_folders and folder.is_dir():
            return
        folder.mkdir(parents=True, exist_ok=True)
        for parent in (folder.parent, folder.parent.parent):
            sync_path(parent)
        self.durable_folders.add(folder)

    def _make_durable(self, place: Place) -> None:
        """File and folder at once: the disk then needs one flush for both."""
        folder = self.syncs.submit(sync_path, place.folder)
        try:
            sync_path(place.path)
        finally:
            folder.result()

    def _settle(self, pending: Path) -> None:
        """Takes back a final name whose file did not become whole."""
        study, series, name, size = pending.name.removesuffix(WHOLE).split("_")
        parent = self.conflicts / study if series == "conflict" else self.studies / study / series
        final = Place(parent, name)
        if not final.path.exists() or not final.path.samefile(pending):
            return
        if final.path.stat().st_size == int(size):
            self._make_durable(final)
        else:
            final.path.unlink()


def pending_name(place: Place, size: int, instance: Instance) -> str:
    """Where the file will go and how long it is, as a file name; UIDs hold no underscore."""
    conflict = place.name != f"{instance.sop_instance_uid}.dcm"
    series = "conflict" if conflict else instance.series_instance_uid
    return f"{instance.study_instance_uid}_{series}_{place.name}_{size}{WHOLE}"


def same_content(one: Path, other: Path) -> bool:
    """Whether two DICOM files hold the same data set, whoever wrote their file meta."""
    with suppress(FileNotFoundError), one.open("rb") as first, other.open("rb") as second:
        return all(a == b for a, b in zip_longest(_blocks(first), _blocks(second)))
    return False


def content_hash(path: Path) -> str:
    """SHA-256 of the data set of a DICOM file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in _blocks(file):
            digest.update(block)
    return digest.hexdigest()


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    """The data set behind the file meta group, in blocks."""
    file.seek(LENGTH_AT)
    file.seek(META_AT + int.from_bytes(file.read(4), "little"))
    while block := file.read(READ_BYTES):
        yield block
