"""Limits the deliveries that are sent to a peer at once; a delivery that waits does not count."""

from __future__ import annotations

import threading
from collections import defaultdict


class SendingSlots:
    """A semaphore for each peer, which a delivery holds only while it is being sent."""

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self.lock = threading.Lock()
        self.slots: defaultdict[str, threading.Semaphore] = defaultdict(
            lambda: threading.BoundedSemaphore(self.at_once)
        )

    def of(self, peer_name: str) -> threading.Semaphore:
        """Returns the peer's semaphore, to be entered as a context."""
        with self.lock:
            return self.slots[peer_name]
