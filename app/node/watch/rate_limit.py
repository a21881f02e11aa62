"""Limits how often something happens."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable


class RateLimit:
    """A token bucket: `burst` events at once, then one every `pause_s`; suppressed events are counted."""

    def __init__(self, burst: int, pause_s: float, now_s: Callable[[], float]) -> None:
        self.burst, self.pause_s, self.now_s = burst, pause_s, now_s
        self.lock = threading.Lock()
        self.tokens, self.at_s, self.held_back = float(burst), now_s(), 0

    def passed(self) -> int | None:
        """Returns None to suppress this event, else how many were suppressed since the last that passed."""
        with self.lock:
            now_s = self.now_s()
            self.tokens = min(float(self.burst), self.tokens + (now_s - self.at_s) / self.pause_s)
            self.at_s = now_s
            if self.tokens < 1:
                self.held_back += 1
                return None
            self.tokens -= 1
            held_back, self.held_back = self.held_back, 0
            return held_back


class RateLimits:
    """A rate limit for each key, of which the latest `most` are remembered."""

    def __init__(self, burst: int, pause_s: float, now_s: Callable[[], float], most: int = 10_000) -> None:
        self.make, self.most = lambda: RateLimit(burst, pause_s, now_s), most
        self.known: OrderedDict[str, RateLimit] = OrderedDict()
        self.lock = threading.Lock()

    def passed(self, key: str) -> bool:
        """Returns whether the event of this key may happen now, and counts it."""
        with self.lock:
            limit = self.known.setdefault(key, self.make())
            self.known.move_to_end(key)
            if len(self.known) > self.most:
                self.known.popitem(last=False)
        return limit.passed() is not None
