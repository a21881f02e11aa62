"""Limits the deliveries that are sent to a peer at once; a delivery that waits does not count."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from heapq import heappop, heappush
from itertools import count


class PeerSlots:
    """The slots of one peer; waiting deliveries get one by priority, the smallest first, then in order."""

    def __init__(self, at_once: int) -> None:
        self.free, self.condition = at_once, threading.Condition()
        self.waiting: list[tuple[int, int]] = []
        self.numbers = count()

    @contextmanager
    def taken(self, place: int) -> Iterator[None]:
        """Waits for a free slot and holds it during the context."""
        with self.condition:
            ticket = (place, next(self.numbers))
            heappush(self.waiting, ticket)
            self.condition.wait_for(lambda: self.free > 0 and self.waiting[0] == ticket)
            heappop(self.waiting)
            self.free -= 1
            self.condition.notify_all()
        try:
            yield
        finally:
            with self.condition:
                self.free += 1
                self.condition.notify_all()


class SendingSlots:
    """Slots for each peer; a delivery holds one only while it is being sent."""

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self.lock = threading.Lock()
        self.slots: defaultdict[str, PeerSlots] = defaultdict(lambda: PeerSlots(self.at_once))

    @contextmanager
    def of(self, peer_name: str, place: int = 0) -> Iterator[None]:
        """Holds one of the peer's slots during the context; urgent deliveries have a smaller place."""
        with self.lock:
            slots = self.slots[peer_name]
        with slots.taken(place):
            yield
