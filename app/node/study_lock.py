"""Who moves files of a study does it alone, of all processes that share the data folder."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TRASH, LOCK = "trash", "lock"


@contextmanager
def moving_files(data: Path) -> Iterator[None]:
    """While files of a study are exchanged, removed or brought back; not to be entered twice."""
    (data / TRASH).mkdir(parents=True, exist_ok=True)
    with (data / TRASH / LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
