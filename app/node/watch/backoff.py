"""Pauses between attempts that fail: each twice as long as the one before, up to a longest one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """Pauses from `first_s` to `longest_s` seconds, the first never shortened."""

    first_s: float
    longest_s: float

    def after(self, pause_s: float) -> float:
        """Returns the pause in seconds that follows one of `pause_s`; 0 is before the first."""
        if pause_s < self.first_s:
            return self.first_s
        return max(self.first_s, min(2 * pause_s, self.longest_s))
