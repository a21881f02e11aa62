"""Watches the free space on the disk of the data folder."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import structlog

log = structlog.get_logger()

MEGABYTE = 1_000_000
# Interval between log entries while the disk stays below the watermark.
REMINDER_S = 600.0


class Disk:
    """The free space at the last look, and whether it is below the watermark."""

    def __init__(
        self,
        folder: Path,
        minimum_free_bytes: int,
        now_s: Callable[[], float] = time.monotonic,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self.folder, self.minimum_free_bytes = folder, minimum_free_bytes
        self.now_s, self.read_free = now_s, free_bytes
        self.free_bytes: int | None = None
        self.logged_s: float | None = None

    @property
    def is_low(self) -> bool:
        """Returns whether too little is free to receive anything; the same comparison as `Store.has_room`."""
        return self.free_bytes is not None and self.free_bytes <= self.minimum_free_bytes

    def look(self) -> None:
        """Reads the free space and logs when it falls below or rises above the watermark. Raises OSError."""
        self.free_bytes = self.read_free(self.folder)
        if self.is_low and (self.logged_s is None or self.now_s() - self.logged_s >= REMINDER_S):
            self.logged_s = self.now_s()
            log.error("disk_low", sentence="nothing is received; C-STORE returns A700", **self.figures())
        elif not self.is_low and self.logged_s is not None:
            self.logged_s = None
            log.warning("disk_has_room", **self.figures())

    def figures(self) -> dict[str, int | None]:
        """Returns the free space and the watermark in MB, for logs and /health."""
        free_mb = None if self.free_bytes is None else self.free_bytes // MEGABYTE
        return {"free_mb": free_mb, "minimum_free_mb": self.minimum_free_bytes // MEGABYTE}
