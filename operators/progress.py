"""Observers of a run: stages begun and ended, and how far they are."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class Observer(Protocol):
    """Measures stages and shows progress; made by whoever runs the graph, who has the clock."""

    def measured(self, stage: str) -> AbstractContextManager[None]:
        """A block that is measured as `stage`."""
        ...

    def progress(self, step: str, done: float) -> None:
        """`step` is `done` (0..1)."""
        ...
