"""Limits on the number and length of the messages that a peer sends before it is answered."""

from __future__ import annotations

import threading

from operators.errors import UnreadableError

# About the size of a storage commitment request for 50,000 instances; the limit of all unanswered messages.
MAXIMUM_MESSAGE_BYTES = 16 << 20
MAXIMUM_UNANSWERED = 16


class Unanswered:
    """Limits the messages of one association, and their bytes, that pynetdicom holds unanswered.

    A legitimate peer has only one outstanding, as more are never negotiated (PS3.7 D.3.3.3). Responses to the
    node's own requests count until the peer's next request is answered.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.messages = self.bytes = 0

    def add(self, length: int) -> None:
        """Counts a message and the bytes of its command. Raises UnreadableError if there are too many."""
        with self.lock:
            self.messages += 1
            if self.messages > MAXIMUM_UNANSWERED:
                raise UnreadableError(f"expected at most {MAXIMUM_UNANSWERED} messages at once, got more")
        self.add_bytes(length)

    def add_bytes(self, length: int) -> None:
        """Counts data of the last message. Raises UnreadableError if there are too many."""
        with self.lock:
            self.bytes += length
            require_length(self.bytes, MAXIMUM_MESSAGE_BYTES)

    def answer(self) -> None:
        """Counts an answered message; the bytes are reset once all messages are answered."""
        with self.lock:
            self.messages = max(0, self.messages - 1)
            self.bytes = self.bytes if self.messages else 0


def require_length(length: int, maximum: int) -> None:
    """Raises UnreadableError for a message that is longer than `maximum`."""
    if length > maximum:
        raise UnreadableError(f"expected a message of at most {maximum} bytes, got more")
