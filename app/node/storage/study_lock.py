"""The lock for moving the files of a study, across all processes that share the data folder."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

TRASH, LOCK = "trash", "lock"
# Suffix to a study's UID; such a file in the trash says that the removal is decided
DECIDED = ".json"


def moving_files(data: Path) -> AbstractContextManager[None]:
    """Holds the exclusive lock, to link, exchange, remove or restore files of a study; not reentrant.

    Hold it for one study at a time, so that others wait for no more than that.
    """
    return lock(data, fcntl.LOCK_EX)


def files_in_place(data: Path) -> AbstractContextManager[None]:
    """Holds the shared lock, while which nobody moves files of a study."""
    return lock(data, fcntl.LOCK_SH)


def series_in_place(data: Path) -> Iterator[Path]:
    """Yields the series folders of all studies, including those in the trash that will be restored."""
    yield from (data / "inbox").glob("*/*")
    for study in (data / TRASH).glob("*/inbox"):
        if not (data / TRASH / f"{study.parent.name}{DECIDED}").exists():
            yield from study.iterdir()


@contextmanager
def lock(data: Path, kind: int) -> Iterator[None]:
    """Holds the lock in a mode of `fcntl.flock`. Raises OSError."""
    (data / TRASH).mkdir(parents=True, exist_ok=True)
    with (data / TRASH / LOCK).open("w") as file:
        fcntl.flock(file, kind)
        yield
