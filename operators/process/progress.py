"""Observers of a run: the stages that begin and end, and their progress."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

# Shows that a step is done to a share (0..1)
Progress = Callable[[str, float], None]


def part_of(progress: Progress, number: int, count: int) -> Progress:
    """Returns the progress of one part of `count`, for a step that does one after the other."""
    return lambda step, done: progress(step, (number + done) / count)


class Observer(Protocol):
    """Measures stages and shows progress; provided by the caller of the graph, who has the clock."""

    def measured(self, stage: str) -> AbstractContextManager[None]:
        """Returns a context that measures its block as `stage`."""
        ...

    def progress(self, step: str, done: float) -> None:
        """Shows that `step` is `done` (0..1)."""
        ...
