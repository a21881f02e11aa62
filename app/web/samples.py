"""Figures of the last day, sampled while the page runs: free space and the length of the queue."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

SAMPLE_S, DAY_S = 60.0, 86400.0


@dataclass(frozen=True)
class Sample:
    """Free bytes on the disk, and the number of jobs that are queued, running and delivering."""

    at_ms: int
    free_bytes: int
    queued: int
    running: int
    delivering: int


class Samples:
    """The samples of the last day, oldest first."""

    def __init__(self) -> None:
        self.kept: deque[Sample] = deque(maxlen=int(DAY_S / SAMPLE_S))

    def add(self, at_ms: int, free_bytes: int, states: Mapping[str, int]) -> None:
        """Adds a sample of the present figures."""
        waiting = (states.get(name, 0) for name in ("queued", "running", "delivering"))
        self.kept.append(Sample(at_ms, free_bytes, *waiting))
