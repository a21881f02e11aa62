"""Reads the size that a compressed frame itself announces, so that no decoder allocates more than the header
allows.

The size is rows, columns and components: 16,384 components (ISO/IEC 15444-1 A.5.1) make any frame a large
one.
"""

from __future__ import annotations

import re
import struct

# ISO/IEC 15444-1 A.4.1, A.5.1: SOC then SIZ; SIZ gives the grid's extent, the image's offset in it, and
# the number of components.
_JPEG_2000 = b"\xff\x4f\xff\x51"
_SIZ = struct.Struct(">8x4I16xH")
# A JP2 file puts boxes before the code stream; its header is far shorter than this.
_BOXES = 4096
# ITU-T T.81 table B.1: start of image, and frame headers C0 to CF but for DHT, JPG and DAC;
# ISO/IEC 14495-1: F7 is that of JPEG-LS.
_SOI = b"\xff\xd8"
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}

_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
# T.81 B.1.1.2: a marker that begins a segment, or ends the image, with fill bytes before it; none of those
# that stand alone (B.1.1.3: TEM, RST, SOI)
_MARKER = re.compile(rb"\xff+[\x02-\xcf\xd9-\xfe]")
# What ends the entropy-coded data of a scan: a marker that is neither a stuffed byte nor a restart
_NEXT_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")

# Rows, columns, components
EncodedSize = tuple[int, int, int]


def encoded_size(content: bytes) -> EncodedSize | None:
    """Returns rows, columns and components; None for a stream that is damaged or does not state them."""
    try:
        if content[:2] == _SOI:
            return _jpeg_size(content)
        start = content.find(_JPEG_2000, 0, _BOXES)
        return None if start < 0 else _jpeg_2000_size(content, start)
    except struct.error:
        return None


def _jpeg_2000_size(content: bytes, start: int) -> EncodedSize:
    right, bottom, left, top, components = _SIZ.unpack_from(content, start)
    return bottom - top, right - left, components


def jpeg_precision(content: bytes) -> int | None:
    """Returns the bits of a sample of a JPEG or JPEG-LS stream; None for another, or one that is damaged."""
    try:
        at = _frame_header(content) if content[:2] == _SOI else None
        return None if at is None else content[at + 4]
    except (struct.error, IndexError):
        return None


def has_whole_segments(content: bytes) -> bool:
    """Returns whether each marker segment of a JPEG stream begins where the one before it ends (T.81 B.1.1).

    gdcm 3.2.6 ends the process over other bytes between them. A stream may end within a scan.
    """
    at = len(_SOI)
    while found := _MARKER.match(content, at):
        marker, at = content[found.end() - 1], found.end()
        if marker == _END_OF_IMAGE:
            return True
        at += int.from_bytes(content[at : at + 2])
        if marker == _START_OF_SCAN:
            following = _NEXT_MARKER.search(content, at)
            if following is None:
                return True
            at = following.start()
    return False


def has_end(content: bytes) -> bool:
    """Returns whether a JPEG-LS stream has the marker of its end, which data never hold (ISO/IEC 14495-1).

    CharLS 2.4 refuses a stream without one, after up to 2^32 steps: 17 s for 37 bytes.
    """
    return bytes((0xFF, _END_OF_IMAGE)) in content


def _jpeg_size(content: bytes) -> EncodedSize | None:
    at = _frame_header(content)
    if at is None:
        return None
    rows, columns, components = struct.unpack_from(">HHB", content, at + 5)
    return rows, columns, components


def _frame_header(content: bytes) -> int | None:
    at = len(_SOI)
    while content[at : at + 1] == b"\xff":
        marker, length = struct.unpack_from(">xBH", content, at)
        if marker in _FRAME_HEADERS:
            return at
        at += 2 + length
    return None
