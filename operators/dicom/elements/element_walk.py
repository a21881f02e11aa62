"""Walks over the elements of an encoded data set (PS3.5 7) at a bounded cost, whatever the data set holds.

Values of known length are skipped. Sequences of undefined length are walked with a stack of one flag a level,
and no object is created for an element.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass

from operators.errors import UnreadableError

# PS3.5 7.1.2: these have a 32-bit length after two reserved bytes.
LONG_VRS = frozenset(
    (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
)
UNDEFINED = 0xFFFFFFFF
# PS3.5 7.5: item, end of item, end of sequence, and the group of all three
_ITEM, _ITEM_END, _SEQUENCE_END, _DELIMITERS = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD, 0xFFFE
# Error codes for data sets that exceed the limits
OVER_LIMITS = frozenset(("too_many_elements", "too_deep"))
_HEAD_BYTES, _LONG_HEAD_BYTES = 8, 12
_WINDOW_BYTES = 1 << 12

# Returns a number of bytes of the content from an offset on, fewer at its end
ReadAt = Callable[[int, int], bytes]


@dataclass(frozen=True)
class Encoding:
    """How elements are written (PS3.5 7.1, 7.3)."""

    explicit: bool = True
    big_endian: bool = False


@dataclass(frozen=True)
class ScanLimits:
    """The limits of a walk: elements and items visited, nesting of sequences, bytes of a wanted value.

    With the defaults a walk takes at most a fifth of a second and a few kilobytes; the references to 10,000
    images fit.
    """

    elements: int = 100_000
    depth: int = 64
    value_bytes: int = 1024


@dataclass(frozen=True, slots=True)
class ElementHead:
    """The head of an element; `length` is UNDEFINED for a sequence that ends with a delimiter."""

    tag: int
    vr: bytes
    start: int
    length: int


class ElementWalk:
    """Reads elements one after the other through a small window, and counts them."""

    def __init__(self, read_at: ReadAt, encoding: Encoding, limits: ScanLimits) -> None:
        self.read_at, self.encoding, self.limits = read_at, encoding, limits
        order = ">" if encoding.big_endian else "<"
        self._implicit = struct.Struct(f"{order}HHI").unpack_from
        self._explicit = struct.Struct(f"{order}HH2sH").unpack_from
        self._long_length = struct.Struct(f"{order}I").unpack_from
        self._window, self._base, self._left = b"", 0, limits.elements

    def head(self, at: int) -> ElementHead | None:
        """Returns the element at `at`; None at the end of the content. Raises UnreadableError."""
        offset = self._offset(at)
        if offset + _HEAD_BYTES > len(self._window):
            return None
        return ElementHead(*self._head(at, offset, self.encoding.explicit))

    def behind(self, element: ElementHead) -> int:
        """Returns where the next element begins. Raises UnreadableError for a sequence without an end."""
        if element.length != UNDEFINED:
            return element.start + element.length
        return self._behind_sequence(element.start, self.encoding.explicit and element.vr != b"UN")

    def _behind_sequence(self, at: int, explicit: bool) -> int:
        """Returns where a sequence of undefined length ends.

        The stack holds one flag for each open sequence and item, alternately: whether its elements have
        explicit VRs.
        """
        stack = [explicit]
        while stack:
            offset = self._offset(at)
            if offset + _HEAD_BYTES > len(self._window):
                raise UnreadableError("expected a sequence with an end, got none")
            is_item = len(stack) % 2 == 0
            tag, vr, start, length = self._head(at, offset, is_item and stack[-1])
            at = start if length == UNDEFINED else start + length
            if tag == (_ITEM_END if is_item else _SEQUENCE_END):
                stack.pop()
                at = start
            elif not is_item and tag != _ITEM:
                raise UnreadableError("expected an item of a sequence, got another element")
            elif length == UNDEFINED:
                self._require_depth(len(stack))
                # PS3.5 6.2.2: a sequence of undefined length that was written as UN has implicit VRs
                stack.append(stack[-1] and (vr != b"UN" if is_item else self._has_vr(at)))
        return at

    def _head(self, at: int, offset: int, explicit: bool) -> tuple[int, bytes, int, int]:
        """Returns tag, VR, start and length; like pydicom, takes an invalid VR for an implicit one."""
        self._left -= 1
        if self._left < 0:
            raise UnreadableError(
                f"expected at most {self.limits.elements} elements in the header, got more",
                code="too_many_elements",
            )
        if explicit:
            group, element, vr, length = self._explicit(self._window, offset)
            if vr.isupper() and group != _DELIMITERS:
                if vr not in LONG_VRS:
                    return group << 16 | element, vr, at + _HEAD_BYTES, length
                return group << 16 | element, vr, at + _LONG_HEAD_BYTES, self._long(offset)
        group, element, length = self._implicit(self._window, offset)
        return group << 16 | element, b"", at + _HEAD_BYTES, length

    def _long(self, offset: int) -> int:
        if offset + _LONG_HEAD_BYTES > len(self._window):
            raise UnreadableError("expected a complete element, got a truncated one")
        return int(self._long_length(self._window, offset + _HEAD_BYTES)[0])

    def _offset(self, at: int) -> int:
        """Returns the offset of `at` in the window, which moves if it holds less than a head from there."""
        offset = at - self._base
        if offset < 0 or offset + _LONG_HEAD_BYTES > len(self._window):
            self._window, self._base, offset = self.read_at(at, _WINDOW_BYTES), at, 0
        return offset

    def _has_vr(self, at: int) -> bool:
        offset = self._offset(at)
        return is_vr(self._window[offset + 4 : offset + 6])

    def _require_depth(self, open_ones: int) -> None:
        if open_ones >= 2 * self.limits.depth:
            raise UnreadableError(
                f"expected at most {self.limits.depth} nested sequences, got more", code="too_deep"
            )


def require_few_elements(content: bytes, encoding: Encoding, maximum: int) -> None:
    """Raises UnreadableError if a data set has more than `maximum` elements and items, nested ones included.

    It protects libraries that decode a data set into one object for each element. It steps into sequences and
    items instead of skipping them, since their content follows one after the other however deeply it is
    nested.
    """
    walk, at = ElementWalk(bytes_reader(content), encoding, ScanLimits(elements=maximum)), 0
    item = b"\xff\xfe\xe0\x00" if encoding.big_endian else b"\xfe\xff\x00\xe0"
    while element := walk.head(at):
        is_open = element.length == UNDEFINED or element.vr == b"SQ" or element.tag >> 16 == _DELIMITERS
        is_sequence = is_open or content[element.start : element.start + 4] == item
        at = element.start if is_sequence else element.start + element.length


def is_vr(content: bytes) -> bool:
    """Returns whether two bytes look like a value representation."""
    return len(content) == 2 and content.isalpha() and content.isupper()


def file_reader(descriptor: int) -> ReadAt:
    """Returns a reader of an open file that leaves the file's position alone."""
    return lambda at, count: os.pread(descriptor, count, at)


def bytes_reader(content: bytes) -> ReadAt:
    """Returns a reader of bytes in memory."""
    return lambda at, count: content[at : at + count]
