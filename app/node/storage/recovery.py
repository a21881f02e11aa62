"""Settles the files that receivers left behind when they were killed or lost power."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from app.node.storage.file_lock import FOLDER, is_locked, leads_to, opened
from app.node.storage.pending_file import CONFLICT, PART, WHOLE, final_of, settled_file
from app.node.storage.receiver_folder import dead_receivers, is_alive, receivers, remove_receiver


def recover(root: Path) -> int:
    """Settles and removes the files of receivers that have ended; returns their number. Raises OSError.

    A final name is kept if its file is complete, and removed if it is truncated.
    """
    with dead_receivers(root / "incoming") as dead:
        return sum(clear(folder, root) for folder in dead)


def unsettled(incoming: Path, study: str = "") -> list[str]:
    """Returns the final names of files that may not be durable yet, of one study or of all.

    A study with such files is not complete.
    """
    return [
        final_of(path.name)[2]
        for folder in (receivers(incoming) if incoming.is_dir() else ())
        for path in folder.glob(f"{study or '*'}_*{WHOLE}")
        if is_pending(path) and (not is_alive(folder) or is_locked(path))
    ]


def clear(receiver: Path, root: Path) -> int:
    """Settles and removes the files of one receiver, and returns their number."""
    left = [path for path in receiver.iterdir() if path.suffix == PART or is_pending(path)]
    for path in left:
        if path.suffix == WHOLE:
            settle(path, root)
        path.unlink(missing_ok=True)
    remove_receiver(receiver)
    return len(left)


def is_pending(path: Path) -> bool:
    """Returns whether a file's name states a final name; other files are not the node's."""
    try:
        final_of(path.name)
    except ValueError:
        return False
    return path.suffix == WHOLE


def settle(pending: Path, root: Path) -> None:
    """Makes the final name of a file durable, or removes it if the file is truncated. Raises OSError."""
    study, series, name, size = final_of(pending.name)
    parent = root / "conflicts" / study if series == CONFLICT else root / "inbox" / study / series
    with suppress(FileNotFoundError), opened(parent, FOLDER) as folder:
        status = pending.stat()
        if not leads_to(name, (status.st_dev, status.st_ino), folder):
            return
        if status.st_size != size:
            os.unlink(name, dir_fd=folder)
            return
        with settled_file(name, folder) as file:
            os.fsync(file)
            os.fsync(folder)
