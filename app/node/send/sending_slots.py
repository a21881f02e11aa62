"""How many deliveries are sent to a peer at once. One that waits, for time or a report, holds none."""

from __future__ import annotations

import threading
from collections import defaultdict


class SendingSlots:
    """A semaphore for each peer, which a delivery holds while it is being sent and no longer."""

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self.lock = threading.Lock()
        self.slots: defaultdict[str, threading.Semaphore] = defaultdict(
            lambda: threading.BoundedSemaphore(self.at_once)
        )

    def of(self, peer_name: str) -> threading.Semaphore:
        """The peer's; to be entered as a context."""
        with self.lock:
            return self.slots[peer_name]
