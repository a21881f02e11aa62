"""Inflates deflated data sets (PS3.5 A.5) only as far as needed and in small parts, never as a whole.

One deflated byte may inflate to a thousand, so the cost of a file depends on what is requested of it, not on
what it holds.
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

# 8000 frames of 512 x 512: more inflated bytes than this are refused as a decompression bomb.
MAXIMUM_INFLATED_BYTES = 2**32
# No header of an image is longer: 10,000 frames take 20 MB
MAXIMUM_HEADER_BYTES = 1 << 26
_FIRST_HEADER_BYTES = 1 << 16
# PS3.5 7.1.2: tag, VR, reserved and length of Pixel Data
PIXEL_HEAD_BYTES = 12
_READ_BYTES, _PART_BYTES = 1 << 16, 1 << 20
# Limit for pydicom, which makes an object for each element: 5,000 frames with 100 elements each
HEADER_LIMITS = ScanLimits(elements=500_000)


class InflatedStream:
    """The inflated bytes of a file, read once from the start."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.position = file, 0
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._waiting = b""

    def read(self, count: int) -> bytes:
        """Returns at most `count` bytes; b"" at the end. Raises UnreadableError for a damaged stream."""
        while not self._inflater.eof:
            source = self._waiting or self.file.read(_READ_BYTES)
            try:
                part = self._inflater.decompress(source, min(count, _PART_BYTES))
            except zlib.error as error:
                raise UnreadableError("expected a valid deflated data set, got a damaged one") from error
            self._waiting = self._inflater.unconsumed_tail
            self.position += len(part)
            if part:
                return part
            if not source:
                raise UnreadableError("expected a complete file, got a truncated deflated one")
        return b""

    def parts(self, stop: int) -> Iterator[bytes]:
        """Yields the bytes not read yet before the offset `stop`, in parts."""
        while self.position < stop and (part := self.read(stop - self.position)):
            yield part

    def reaches(self, stop: int) -> bool:
        """Returns whether there are `stop` bytes, reading them. Raises UnreadableError past the maximum."""
        if stop > MAXIMUM_INFLATED_BYTES:
            raise UnreadableError(
                f"expected at most {MAXIMUM_INFLATED_BYTES} inflated bytes, got more", code="too_large"
            )
        for _ in self.parts(stop):
            pass
        return self.position >= stop


@contextmanager
def open_inflated(path: Path) -> Iterator[InflatedStream]:
    """Opens the data set of a deflated file. Raises UnreadableError for an invalid file meta group."""
    with path.open("rb") as file:
        file.seek(find_meta_group(file_reader(file.fileno())).end)
        yield InflatedStream(file)


def header_bytes(stream: InflatedStream) -> bytes:
    """Returns all before the pixel data, and their head. Raises UnreadableError for a header without end."""
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
    """Walks from an element to the pixel data, or to the end of `content` if it is `whole`.

    Returns the offset reached and True; else the offset of the last element, from which to continue when more
    bytes have come, and False.
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
    """Returns the bytes of a span of a deflated data set; fewer if it ends before."""
    with open_inflated(path) as stream:
        if not stream.reaches(span.offset):
            return b""
        return b"".join(stream.parts(span.offset + span.length))
