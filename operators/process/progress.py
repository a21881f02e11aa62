"""Observers of a run: the stages that begin and end, and their progress."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class Observer(Protocol):
    """Measures stages and shows progress; provided by the caller of the graph, who has the clock."""

    def measured(self, stage: str) -> AbstractContextManager[None]:
        """Returns a context that measures its block as `stage`."""
        ...

    def progress(self, step: str, done: float) -> None:
        """Shows that `step` is `done` (0..1)."""
        ...
