"""Deflated data sets (PS3.5 A.5), inflated as far as they are wanted and in small parts, never as a whole.

Deflate makes a thousand bytes of one: what a file costs goes by what is asked of it, not by what it holds.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from operators.dicom.elements.element_walk import (
    OVER_LIMITS,
    ElementWalk,
    Encoding,
    ScanLimits,
    bytes_reader,
    file_reader,
)
from operators.dicom.elements.meta_group import find_meta_group
from operators.dicom.elements.pixel_element import FIRST_PIXEL_TAG, Span
from operators.errors import UnreadableError

# 8000 frames of 512 x 512: what may be asked of a file before it counts as a bomb.
MAXIMUM_INFLATED_BYTES = 2**32
# Longer is no header of an image: 10,000 frames take 20 MB
MAXIMUM_HEADER_BYTES = 1 << 26
_FIRST_HEADER_BYTES = 1 << 16
# PS3.5 7.1.2: tag, VR, reserved and length of Pixel Data
PIXEL_HEAD_BYTES = 12
_READ_BYTES, _PART_BYTES = 1 << 16, 1 << 20
# What pydicom may make objects of: 5,000 frames with 100 elements each
HEADER_LIMITS = ScanLimits(elements=500_000)


class InflatedStream:
    """The inflated bytes of a file, once, from the first on."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.position = file, 0
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._waiting = b""

    def read(self, count: int) -> bytes:
        """So many bytes at most; b"" at the end. Raises UnreadableError for a damaged stream."""
        while not self._inflater.eof:
            source = self._waiting or self.file.read(_READ_BYTES)
            try:
                part = self._inflater.decompress(source, min(count, _PART_BYTES))
            except zlib.error as error:
                raise UnreadableError("expected a deflated data set, got one that is damaged") from error
            self._waiting = self._inflater.unconsumed_tail
            self.position += len(part)
            if part:
                return part
            if not source:
                raise UnreadableError("expected a whole file, got a deflated one that is cut short")
        return b""

    def parts(self, stop: int) -> Iterator[bytes]:
        """Yields what lies before the offset `stop` and was not read yet, in parts."""
        while self.position < stop and (part := self.read(stop - self.position)):
            yield part

    def reaches(self, stop: int) -> bool:
        """Whether there are so many bytes; they are read and thrown away."""
        if stop > MAXIMUM_INFLATED_BYTES:
            raise UnreadableError(
                f"expected at most {MAXIMUM_INFLATED_BYTES} inflated bytes, got more", code="too_large"
            )
        for _ in self.parts(stop):
            pass
        return self.position >= stop


@contextmanager
def open_inflated(path: Path) -> Iterator[InflatedStream]:
    """The data set of a deflated file. Raises UnreadableError for a file meta group that is none."""
    with path.open("rb") as file:
        file.seek(find_meta_group(file_reader(file.fileno())).end)
        yield InflatedStream(file)


def header_bytes(stream: InflatedStream) -> bytes:
    """All before the pixel data, and the head of these. Raises UnreadableError for a header without end."""
    content, wanted, at, found = bytearray(), _FIRST_HEADER_BYTES, 0, False
    while not found:
        for part in stream.parts(wanted):
            content += part
        at, found = _walked(bytes(content), at, whole=len(content) < wanted)
        if not found and wanted >= MAXIMUM_HEADER_BYTES:
            raise UnreadableError(
                f"expected a header of at most {MAXIMUM_HEADER_BYTES} bytes, got more", code="too_large"
            )
        wanted = min(4 * wanted, MAXIMUM_HEADER_BYTES)
    return bytes(content[: at + PIXEL_HEAD_BYTES])


def _walked(content: bytes, at: int, whole: bool) -> tuple[int, bool]:
    """From an element on to the pixel data, or to the end of content that is whole: where, and whether there.

    Else it is the last element from which can be gone on when more has come.
    """
    walk = ElementWalk(bytes_reader(content), Encoding(), HEADER_LIMITS)
    try:
        while element := walk.head(at):
            if element.tag >= FIRST_PIXEL_TAG:
                return at, whole or at + PIXEL_HEAD_BYTES <= len(content)
            at = walk.behind(element)
    except UnreadableError as error:
        if whole or error.code in OVER_LIMITS:
            raise
        return at, False
    return (len(content), True) if whole else (at, False)


def read_inflated_span(path: Path, span: Span) -> bytes:
    """Some bytes of a deflated data set; fewer where it ends before."""
    with open_inflated(path) as stream:
        if not stream.reaches(span.offset):
            return b""
        return b"".join(stream.parts(span.offset + span.length))
