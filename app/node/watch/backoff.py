"""Growing pauses between failed attempts: each is twice as long as the previous one, up to a limit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """Pauses from `first_s` to `longest_s` seconds, and never shorter than `first_s`."""

    first_s: float
    longest_s: float

    def after(self, pause_s: float) -> float:
        """Returns the pause in seconds that follows one of `pause_s`; 0 if there was none yet."""
        if pause_s < self.first_s:
            return self.first_s
        return max(self.first_s, min(2 * pause_s, self.longest_s))
