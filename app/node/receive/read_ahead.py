"""Buffers the bytes of a connection, as each read from a socket blocks other threads."""

from __future__ import annotations

# Two of the PDUs that fast senders use
READ_BYTES = 1 << 18


class ReadAhead:
    """Bytes that were read from the socket but not consumed yet."""

    def __init__(self) -> None:
        self.buffer = bytearray(READ_BYTES)
        self.start = self.stop = 0

    def __len__(self) -> int:
        return self.stop - self.start

    def room(self, count: int) -> memoryview:
        """Returns the free part of the buffer, after making room for `count` bytes from the first one on."""
        if self.start + count > len(self.buffer):
            waiting = self.buffer[self.start : self.stop]
            if count > len(self.buffer):
                self.buffer = bytearray(count)
            self.buffer[: len(waiting)] = waiting
            self.start, self.stop = 0, len(waiting)
        return memoryview(self.buffer)[self.stop :]

    def came(self, count: int) -> None:
        """Records that `count` bytes were read into the free part."""
        self.stop += count

    def seen(self, count: int) -> bytes:
        """Returns the next bytes without consuming them."""
        return bytes(self.buffer[self.start : min(self.start + count, self.stop)])

    def taken(self, count: int) -> memoryview:
        """Consumes and returns the next bytes, or as many as there are; valid until more are read."""
        start, self.start = self.start, min(self.start + count, self.stop)
        view = memoryview(self.buffer)[start : self.start]
        if self.start == self.stop:
            self.start = self.stop = 0
        return view
