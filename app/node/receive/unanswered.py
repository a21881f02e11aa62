"""How many messages, and of what length, a peer may send before it is answered."""

from __future__ import annotations

import threading

from operators.errors import UnreadableError

# A storage commitment request of 50,000 instances is about this long; all that is unanswered counts together.
MAXIMUM_MESSAGE_BYTES = 16 << 20
MAXIMUM_UNANSWERED = 16


class Unanswered:
    """Messages of one association that pynetdicom holds, and their bytes: what a peer can have it pile up.

    No honest peer has more than one under way: nobody negotiates more (PS3.7 D.3.3.3). Answers to requests of
    ours count until the next request of the peer's is answered.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.messages = self.bytes = 0

    def add(self, length: int) -> None:
        """A message whose command has so many bytes. Raises UnreadableError for one too many."""
        with self.lock:
            self.messages += 1
            if self.messages > MAXIMUM_UNANSWERED:
                raise UnreadableError(f"expected at most {MAXIMUM_UNANSWERED} messages at once, got more")
        self.add_bytes(length)

    def add_bytes(self, length: int) -> None:
        """Data of the last message. Raises UnreadableError for too much."""
        with self.lock:
            self.bytes += length
            require_length(self.bytes, MAXIMUM_MESSAGE_BYTES)

    def answer(self) -> None:
        """One of them is answered; their bytes are free when all are."""
        with self.lock:
            self.messages = max(0, self.messages - 1)
            self.bytes = self.bytes if self.messages else 0


def require_length(length: int, maximum: int) -> None:
    """Raises UnreadableError for a message that no honest peer sends."""
    if length > maximum:
        raise UnreadableError(f"expected a message of at most {maximum} bytes, got more")
