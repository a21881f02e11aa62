"""Bytes of a connection, as many at once as have come: each look at a socket holds other threads up."""

from __future__ import annotations

# Two of the PDUs that fast senders use
READ_BYTES = 1 << 18


class ReadAhead:
    """Bytes that have come and were not taken yet."""

    def __init__(self) -> None:
        self.buffer = bytearray(READ_BYTES)
        self.start = self.stop = 0

    def __len__(self) -> int:
        return self.stop - self.start

    def room(self, count: int) -> memoryview:
        """Where more can be read to, so that `count` bytes from the first one find place."""
        if self.start + count > len(self.buffer):
            waiting = self.buffer[self.start : self.stop]
            if count > len(self.buffer):
                self.buffer = bytearray(count)
            self.buffer[: len(waiting)] = waiting
            self.start, self.stop = 0, len(waiting)
        return memoryview(self.buffer)[self.stop :]

    def came(self, count: int) -> None:
        """So many bytes were read to where there was room."""
        self.stop += count

    def seen(self, count: int) -> bytes:
        """The next bytes, which stay."""
        return bytes(self.buffer[self.start : min(self.start + count, self.stop)])

    def taken(self, count: int) -> memoryview:
        """The next bytes, fewer where no more have come; valid until more are read."""
        start, self.start = self.start, min(self.start + count, self.stop)
        view = memoryview(self.buffer)[start : self.start]
        if self.start == self.stop:
            self.start = self.stop = 0
        return view
