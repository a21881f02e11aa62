"""How many deliveries are sent to a peer at once. One that waits, for time or a report, holds none."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from heapq import heappop, heappush
from itertools import count


class PeerSlots:
    """The slots of one peer. Those who wait get one by their place, the smallest first, then as they came."""

    def __init__(self, at_once: int) -> None:
        self.free, self.condition = at_once, threading.Condition()
        self.waiting: list[tuple[int, int]] = []
        self.numbers = count()

    @contextmanager
    def taken(self, place: int) -> Iterator[None]:
        """Holds a slot, after others have given one back where none is free."""
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
    """Slots for each peer, one of which a delivery holds while it is being sent and no longer."""

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self.lock = threading.Lock()
        self.slots: defaultdict[str, PeerSlots] = defaultdict(lambda: PeerSlots(self.at_once))

    @contextmanager
    def of(self, peer_name: str, place: int = 0) -> Iterator[None]:
        """One of the peer's; urgent deliveries have a smaller place than others."""
        with self.lock:
            slots = self.slots[peer_name]
        with slots.taken(place):
            yield
