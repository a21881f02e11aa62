"""Measures the stages of a run and reports their progress to a display."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.run.record import StageRecord
from operators.process.memory import return_freed_memory

Show = Callable[[str, float], None]


def silent(step: str, done: float) -> None:
    """Shows nothing."""


class StageClock:
    """The `Stages` of one run; `records` grows as stages end."""

    def __init__(self, show: Show = silent) -> None:
        self.show = show
        self.records: list[StageRecord] = []

    @contextmanager
    def measured(self, stage: str) -> Iterator[None]:
        """Measures a block as `stage`, even if it fails.

        Freed memory is returned to the system: otherwise the next stage's memory would add to it
        (120 to 200 MB after the fractures of a scan of 512x512x274).
        """
        self.show(stage, 0.0)
        began = time.monotonic()
        try:
            yield
        finally:
            peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1.024 / 1000
            return_freed_memory()
            self.records.append(StageRecord(stage, time.monotonic() - began, peak_mb))

    def progress(self, step: str, done: float) -> None:
        """Reports the finished share `done` (0..1) of `step`."""
        self.show(step, done)
