"""Locates the pixel data of a file, frame by frame, and checks that they are complete."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from operators.errors import UnreadableError

# PS3.6: Pixel Data; PS3.5 7.5: Item and Sequence Delimitation Item.
_PIXEL_DATA = (0x7FE0, 0x0010)
# PS3.5 A.1: the VRs of Pixel Data; UN is written by programs that do not know the element.
_EXPLICIT_VRS = (b"OB", b"OW", b"UN")
# PS3.3 C.7.6.24, C.7.6.25: the standard allows them for no CT, and the meaning of their values is undefined.
_FLOAT_PIXELS = {(0x7FE0, 0x0008): "Float Pixel Data", (0x7FE0, 0x0009): "Double Float Pixel Data"}
# The first of these ends a header.
PIXEL_TAGS = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
FIRST_PIXEL_TAG = min(PIXEL_TAGS)
_ITEM, _DELIMITER = (0xFFFE, 0xE000), (0xFFFE, 0xE0DD)
_UNDEFINED = 0xFFFFFFFF
# 512 x 512 x 8192 is the largest CT that is read; a frame may have a few fragments
MAXIMUM_FRAMES, MAXIMUM_FRAGMENTS = 1 << 16, 1 << 17


@dataclass(frozen=True)
class Span:
    """A range of bytes in a file."""

    offset: int
    length: int

    def read(self, path: Path) -> bytes:
        """Returns its bytes, fewer if the file ends before. Raises OSError."""
        with path.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.length)


@dataclass(frozen=True)
class PixelElement:
    """The value of Pixel Data: `native`, or `table` (Basic Offset Table) and `fragments` (PS3.5 A.4)."""

    native: Span | None = None
    table: tuple[int, ...] = ()
    fragments: tuple[Span, ...] = ()


def locate(file: BinaryIO, size: int, *, little_endian: bool, native: bool) -> PixelElement | None:
    """Returns the pixel data at the file's position; None if there are none. Raises UnreadableError.

    `native` says that the transfer syntax does not compress them: then they have a length (PS3.5 A.4). The
    bytes show whether the VR is explicit: read as an implicit length, it would be odd.
    """
    order = "<" if little_endian else ">"
    start = file.read(12)
    tag = struct.unpack_from(f"{order}HH", start) if len(start) >= 8 else None
    if tag in _FLOAT_PIXELS:
        raise UnreadableError(f"expected Pixel Data, got {_FLOAT_PIXELS[tag]}", code="float_pixels")
    if tag != _PIXEL_DATA:
        return None
    length_at = 8 if start[4:6] in _EXPLICIT_VRS else 4
    (length,) = struct.unpack_from(f"{order}I", start.ljust(12, b"\0"), length_at)
    offset = file.seek(length_at + 4 - len(start), 1)
    if length != _UNDEFINED:
        return PixelElement(native=_whole(Span(offset, length), size))
    if native:
        text = "expected a transfer syntax for compressed pixel data, got one for uncompressed data"
        raise UnreadableError(text, code="other_transfer_syntax")
    return _encapsulated(file, size)


def _whole(span: Span, size: int) -> Span:
    if span.offset + span.length > size:
        raise UnreadableError(
            f"expected {span.length} bytes of pixel data, got {max(size - span.offset, 0)}: truncated file",
            code="truncated_file",
        )
    return span


def _require_few(count: int, maximum: int, what: str) -> None:
    if count > maximum:
        raise UnreadableError(f"expected at most {maximum} {what}, got more", code="too_large")


def _encapsulated(file: BinaryIO, size: int) -> PixelElement:
    spans = _fragments(file, size)
    if not spans:
        raise UnreadableError("expected encapsulated pixel data, got none", code="truncated_file")
    file.seek(spans[0].offset)
    count = spans[0].length // 4
    _require_few(count, MAXIMUM_FRAMES, "frames")
    table = struct.unpack(f"<{count}I", file.read(4 * count))
    return PixelElement(table=table, fragments=spans[1:])


def _fragments(file: BinaryIO, size: int) -> tuple[Span, ...]:
    spans: list[Span] = []
    while start := file.read(8):
        if len(start) < 8:
            raise UnreadableError("expected complete pixel data, got a truncated item", code="truncated_file")
        group, element, length = struct.unpack("<HHI", start)
        if (group, element) == _DELIMITER:
            break
        if (group, element) != _ITEM:
            raise UnreadableError("expected an item of pixel data, got another element")
        _require_few(len(spans), MAXIMUM_FRAGMENTS, "fragments of pixel data")
        spans.append(_whole(Span(file.tell(), length), size))
        file.seek(length, 1)
    return tuple(spans)


def frame_spans(element: PixelElement, frames: int, frame_bytes: int) -> tuple[tuple[Span, ...], ...]:
    """Returns each frame's byte ranges; `frame_bytes` is its uncompressed size. Raises UnreadableError."""
    _require_few(frames, MAXIMUM_FRAMES, "frames")
    if element.native is None:
        return _fragments_by_frame(element, frames)
    if element.native.length < frames * frame_bytes:
        raise UnreadableError(
            f"expected {frames * frame_bytes} bytes of pixel data by rows, columns and frames, "
            f"got {element.native.length}",
            code="truncated_file",
        )
    start = element.native.offset
    return tuple((Span(start + n * frame_bytes, frame_bytes),) for n in range(frames))


def _fragments_by_frame(element: PixelElement, frames: int) -> tuple[tuple[Span, ...], ...]:
    fragments = element.fragments
    if frames == 1 and fragments:
        return (fragments,)
    if len(fragments) == frames:
        return tuple((fragment,) for fragment in fragments)
    if len(element.table) != frames:
        raise UnreadableError(
            f"expected {frames} frames of pixel data, got {len(fragments)} fragments",
            code="truncated_file",
        )
    # PS3.5 A.4: offsets count from the first byte after the table, the tag of the first item.
    first = fragments[0].offset - 8
    bounds = pairwise((*element.table, fragments[-1].offset + fragments[-1].length - first))
    return tuple(
        tuple(span for span in fragments if low <= span.offset - 8 - first < high) for low, high in bounds
    )
