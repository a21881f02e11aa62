"""Who moves files of a study does it alone, of all processes that share the data folder."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TRASH, LOCK = "trash", "lock"
# Behind a study's UID: says in the trash that its removal is decided
DECIDED = ".json"


@contextmanager
def moving_files(data: Path) -> Iterator[None]:
    """While files of a study are made a job, exchanged, removed or brought back; not to be entered twice.

    Held for one study at a time, so that nobody waits for more than that.
    """
    with lock(data, fcntl.LOCK_EX):
        yield


@contextmanager
def files_in_place(data: Path) -> Iterator[None]:
    """While nobody moves files of a study: what is there is where it belongs. Any number may look at once."""
    with lock(data, fcntl.LOCK_SH):
        yield


def series_in_place(data: Path) -> Iterator[Path]:
    """Folders of series of all studies, those that a crash left in the trash and that come back included."""
    yield from (data / "inbox").glob("*/*")
    for study in (data / TRASH).glob("*/inbox"):
        if not (data / TRASH / f"{study.parent.name}{DECIDED}").exists():
            yield from study.iterdir()


@contextmanager
def lock(data: Path, kind: int) -> Iterator[None]:
    """Holds the lock in one mode of `fcntl.flock`. Raises OSError."""
    (data / TRASH).mkdir(parents=True, exist_ok=True)
    with (data / TRASH / LOCK).open("w") as file:
        fcntl.flock(file, kind)
        yield
