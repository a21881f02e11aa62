"""Ensures that the data folder belongs to one node per role, and stays the folder that the node started with.

For each of its roles a node locks a file in `locks`: `receive` once for the whole folder, as two receivers
would queue each study twice; `segment` and `send` once per machine, as their work is stored under the
machine's name. Each file says who holds it. With PostgreSQL several machines may share the folder; SQLite
serves the processes of one machine only.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Role
from app.node.storage.file_lock import identity, is_locked, leads_to, lock
from operators.errors import OutputError

# A node that starts at the same moment tests each lock, and holds it for an instant
PATIENCE_S = 1.0
# Everything that a node creates in its data folder; it cannot work if something else has one of these names
FOLDERS = (
    "inbox", "incoming", "conflicts", "jobs", "replaced", "trash", "commitments", "locks", "metrics", "signs",
    "messages",
)  # fmt: skip
FILES = ("audit.xml", "osteon.sqlite", "accounts.json", "accounts.lock")
SQLITE, POSTGRESQL = "SQLite", "PostgreSQL"


class DataFolderError(OutputError):
    """The node must not use this data folder, or must not use it any longer."""

    code = "data_folder"


@dataclass(frozen=True)
class Problem:
    """A fault of the data folder; if it `is_final`, the node must end, as others see different files."""

    code: str
    sentence: str
    is_final: bool


@dataclass(frozen=True)
class Holder:
    """The node that holds a lock: the content of a lock file."""

    machine: str
    process: int
    database: str
    since: str

    def __str__(self) -> str:
        return f"the node with process {self.process} on {self.machine} (since {self.since}, {self.database})"


UNKNOWN = Holder("an unknown machine", 0, "", "an unknown time")


class DataFolder:
    """A node's locks on its data folder, held until `release` or the end of its process.

    Raises DataFolderError if another node holds the folder, or if it cannot be used.
    """

    def __init__(self, node: NodeSettings, started: datetime) -> None:
        require_usable(node)
        self.node = node
        database, since = POSTGRESQL if node.database else SQLITE, started.isoformat(timespec="seconds")
        self.holder = Holder(os.uname().nodename, os.getpid(), database, since)
        self.locks: dict[Path, int] = {}
        self.known: dict[Path, tuple[int, int]] = {}
        try:
            self._hold()
        except OSError as error:
            self.release()
            text = f"expected a data folder at {node.data} that can be written and locked"
            raise DataFolderError(f"{text}, got: {error.strerror}", code="data_folder_unusable") from error
        except DataFolderError:
            self.release()
            raise

    def remember(self) -> None:
        """Records the state that `problem` compares with; call it once the database exists."""
        paths = [self.node.data, *self.locks]
        if not self.node.database:
            paths.append(self.node.data / "osteon.sqlite")
        self.known = {path: identity(path) for path in paths}

    def problem(self) -> Problem | None:
        """Returns the present fault of the folder, or None if it is still the one of the node's start."""
        try:
            for path, known in self.known.items():
                if not path.exists() or identity(path) != known:
                    return replaced_problem(path, self.node.data)
            for descriptor in self.locks.values():
                os.utime(descriptor)  # a write, which fails on a disk that has become read-only
        except (FileNotFoundError, NotADirectoryError):
            return replaced_problem(self.node.data, self.node.data)
        except OSError as error:
            sentence = f"expected a writable data folder, got: {error.strerror}"
            return Problem("data_folder_unwritable", sentence, is_final=False)
        return None

    def release(self) -> None:
        """Releases the locks."""
        for descriptor in self.locks.values():
            os.close(descriptor)
        self.locks = {}

    def _hold(self) -> None:
        folder = self.node.data / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        for path in (folder / name for name in lock_names(self.node.roles, self.holder.machine)):
            self.locks[path] = hold_lock(path, self.holder)
        for other in self._others(folder):
            if self.holder.database != other.database:
                raise in_use(self.node.data, other, "whose nodes share one database")
            if other.database == SQLITE and self.holder.machine != other.machine:
                raise in_use(self.node.data, other, "of one machine, as SQLite serves one only")

    def _others(self, folder: Path) -> Iterator[Holder]:
        """Yields the nodes that hold other locks of the folder."""
        for path in folder.iterdir():
            if path not in self.locks and is_locked(path):
                yield read_holder(path)


def lock_names(roles: tuple[Role, ...], machine: str) -> list[str]:
    """Returns the names of the locks of a node with these roles."""
    return [role if role == "receive" else f"{role}-{machine}" for role in sorted(set(roles))]


def hold_lock(path: Path, holder: Holder) -> int:
    """Takes a lock, writes the holder into its file and returns its descriptor.

    Raises DataFolderError if another node holds it, OSError.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            lock(descriptor, fcntl.LOCK_EX, PATIENCE_S)
        except TimeoutError:
            os.close(descriptor)
            role = path.name.partition("-")[0]
            purpose = f"that no other node has the role {role} in"
            raise in_use(path.parent.parent, read_holder(path), purpose) from None
        if leads_to(path, identity(descriptor)):
            break
        os.close(descriptor)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(asdict(holder)).encode(), 0)
    return descriptor


def read_holder(path: Path) -> Holder:
    """Reads the holder from a lock file; UNKNOWN if the holder has not written it yet."""
    with suppress(OSError, ValueError, TypeError):
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    return UNKNOWN


def in_use(data: Path, holder: Holder, purpose: str) -> DataFolderError:
    """Returns the error that says who holds the data folder."""
    sentence = f"expected a data folder {purpose}, {data} is held by {holder}"
    return DataFolderError(sentence, code="data_folder_in_use")


def require_usable(node: NodeSettings) -> None:
    """Raises DataFolderError for an unmounted disk, an overlapping watched folder, or an obstacle."""
    if node.mount is not None and not os.path.ismount(node.mount):
        sentence = f"expected a disk mounted at {node.mount}, there is none; mount it and restart the node"
        raise DataFolderError(sentence, code="not_mounted")
    if node.watch is not None and overlap(node.data, node.watch):
        sentence = f"expected a watched folder apart from the data folder, got {node.watch} and {node.data}"
        raise DataFolderError(sentence, code="watched_data_folder")
    require_no_obstacles(node.data)


def require_no_obstacles(data: Path) -> None:
    """Raises DataFolderError if something else has the name of one of the node's files or folders."""
    folders = [data, *(data / name for name in FOLDERS)]
    for path in folders:
        if os.path.lexists(path) and not path.is_dir():
            raise obstacle(path, "a folder")
        if path.is_dir() and not os.access(path, os.R_OK | os.W_OK | os.X_OK):
            raise obstacle(path, "a readable and writable folder")
    for path in (data / name for name in FILES):
        if os.path.lexists(path) and not path.is_file():
            raise obstacle(path, "a file")


def obstacle(path: Path, expected: str) -> DataFolderError:
    """Returns the error for something that has the name of one of the node's files or folders."""
    kind = "a folder" if path.is_dir() else "a file" if path.is_file() else "a link to nothing, or a device"
    sentence = f"expected {expected} at {path}, got {kind}; move it away and restart the node"
    return DataFolderError(sentence, code="data_folder_obstacle")


def overlap(one: Path, other: Path) -> bool:
    """Returns whether the folders are the same or one contains the other, after resolving links."""
    first, second = one.resolve(), other.resolve()
    return first == second or first in second.parents or second in first.parents


def replaced_problem(path: Path, data: Path) -> Problem:
    """Returns the problem of a file or folder that is gone or was replaced."""
    name = "data folder" if path == data else f"file {path.name} of the data folder"
    sentence = f"expected the {name} that the node started with, it is gone or was replaced; the node stops"
    return Problem("data_folder_replaced", sentence, is_final=True)
