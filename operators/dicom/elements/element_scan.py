"""Finds a few top-level elements near the start of an encoded data set (PS3.5 7.1), without reading the rest.

`scan_elements` looks at bytes in memory and skips values of known length; it returns None for everything
else. `scan_data_set` reads any data set at a cost bounded by `ScanLimits`. For a plain header pydicom needs
about a millisecond, `scan_elements` a twentieth of that.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from operators.dicom.elements.element_walk import (
    LONG_VRS,
    UNDEFINED,
    ElementWalk,
    Encoding,
    ReadAt,
    ScanLimits,
)
from operators.errors import UnreadableError

_IMPLICIT = struct.Struct("<HHI")
_EXPLICIT = struct.Struct("<HH2sH")
_LONG_LENGTH = struct.Struct("<I")
LIMITS = ScanLimits()

Values = dict[int, bytes]


def scan_elements(content: bytes, *, explicit: bool, wanted: frozenset[int]) -> Values | None:
    """Returns values by tag, cut as in `scan_data_set`; little endian only.

    Returns None if `content` ends before the last wanted tag or contains what cannot be skipped. Raises
    UnreadableError if a wanted element occurs twice with different values.
    """
    found: Values = {}
    last = max(wanted)
    try:
        for tag, vr, start, end in elements(content, explicit=explicit):
            if explicit and not vr.isupper():
                return None
            if tag > last:
                return found
            if end > len(content):
                return None
            if tag in wanted:
                _keep(found, tag, content[start : min(end, start + LIMITS.value_bytes + 1)])
    except struct.error:
        return None
    return None


def elements(content: bytes, *, explicit: bool, at: int = 0) -> Iterator[tuple[int, bytes, int, int]]:
    """Yields the tag, the VR (b"" if implicit), and the start and end of each value, beginning with the
    element at `at`.

    The end of a value of undefined length lies beyond any content. Raises struct.error if `content` ends.
    """
    vr = b""
    while True:
        if explicit:
            group, element, vr, length = _EXPLICIT.unpack_from(content, at)
            at += 8
            if vr in LONG_VRS:
                (length,) = _LONG_LENGTH.unpack_from(content, at)
                at += 4
        else:
            group, element, length = _IMPLICIT.unpack_from(content, at)
            at += 8
        yield group << 16 | element, vr, at, at + length
        at += length


def scan_data_set(read_at: ReadAt, at: int, encoding: Encoding, wanted: frozenset[int]) -> Values:
    """Returns the values of the wanted elements by tag, from `at` on, each cut one byte after
    `LIMITS.value_bytes`.

    Ends at the first tag above the last wanted one, or with the content. Raises UnreadableError for content
    that is not a data set, exceeds LIMITS, or has a wanted element twice with different values.
    """
    walk, found, last = ElementWalk(read_at, encoding, LIMITS), Values(), max(wanted)
    while (element := walk.head(at)) and element.tag <= last:
        if element.tag in wanted and element.length != UNDEFINED:
            count = min(element.length, LIMITS.value_bytes + 1)
            value = read_at(element.start, count)
            if len(value) < count:
                raise UnreadableError("expected a complete data set, got a truncated one")
            _keep(found, element.tag, value)
        at = walk.behind(element)
    return found


def _keep(found: Values, tag: int, value: bytes) -> None:
    if found.setdefault(tag, value) != value:
        raise UnreadableError(
            f"expected element {tag >> 16:04X},{tag & 0xFFFF:04X} once, got two that differ",
            code="repeated_element",
        )
