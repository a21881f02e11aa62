"""Reads the file meta group (PS3.10 7.1) of a file: a few of its values, and where the data set begins.

It must lie within 64 KB and have at most 1,000 elements. It ends with its last element, whatever its group
length says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from operators.dicom.elements.element_walk import UNDEFINED, ElementWalk, Encoding, ReadAt, ScanLimits, is_vr
from operators.errors import UnreadableError

MAGIC, MAGIC_AT, META_AT = b"DICM", 128, 132
GROUP = 0x0002
MAXIMUM_META_BYTES = 1 << 16
_LIMITS = ScanLimits(elements=1000, depth=4, value_bytes=256)
# Media storage SOP class and instance, transfer syntax, source AE title
SOP_CLASS, SOP_INSTANCE, SYNTAX, SOURCE = 0x00020002, 0x00020003, 0x00020010, 0x00020016
# PS3.5 6.2, AE: the default repertoire without backslash and control characters
_TITLE = re.compile(r"[ -\[\]-~]{1,16}")
_KEPT = frozenset((SOP_CLASS, SOP_INSTANCE, SYNTAX, SOURCE))


@dataclass(frozen=True)
class MetaGroup:
    """Unchecked texts by tag, and the offsets in the file at which the group and the data set begin."""

    values: dict[int, str]
    end: int
    begin: int = META_AT

    def text(self, tag: int) -> str:
        """Returns the text of an element, '' if it is missing."""
        return self.values.get(tag, "")


def read_meta_group(read_at: ReadAt) -> MetaGroup:
    """Reads the group. Raises UnreadableError if the file has none or an invalid one."""
    if read_at(MAGIC_AT, len(MAGIC)) != MAGIC:
        raise UnreadableError("expected a DICOM file, got one without the letters DICM")
    meta = _group(read_at, META_AT, explicit=True)
    if meta.end == META_AT:
        raise UnreadableError("expected a file meta group, got none")
    return meta


def find_meta_group(read_at: ReadAt) -> MetaGroup:
    """Finds the group of a file that breaks the rules: one without a preamble (which DCMTK and pydicom accept
    too), without a group, or with implicit VRs. Raises UnreadableError for a group that is too long.
    """
    begin = META_AT if read_at(MAGIC_AT, len(MAGIC)) == MAGIC else 0
    return _group(read_at, begin, explicit=is_vr(read_at(begin + 4, 2)))


def _group(read_at: ReadAt, begin: int, *, explicit: bool) -> MetaGroup:
    """Returns the group at `begin`, empty if there is none."""
    head = read_at(begin, MAXIMUM_META_BYTES)
    walk = ElementWalk(lambda at, count: head[at - begin : at - begin + count], Encoding(explicit), _LIMITS)
    at, values = begin, dict[int, str]()
    while (element := walk.head(at)) and element.tag >> 16 == GROUP and (element.vr or not explicit):
        at = walk.behind(element)
        if at > begin + MAXIMUM_META_BYTES:
            raise UnreadableError(
                f"expected a file meta group within {MAXIMUM_META_BYTES} bytes, got more", code="too_large"
            )
        if element.tag in _KEPT and element.length != UNDEFINED:
            value = head[element.start - begin :][: min(element.length, _LIMITS.value_bytes)]
            values[element.tag] = value.decode("ascii", "replace").strip(" \0")
    return MetaGroup(values, at, begin)


def title_of(value: str) -> str:
    """Returns an AE title without its padding, or '' for an invalid one."""
    stripped = value.strip(" \0")
    return stripped if _TITLE.fullmatch(stripped) else ""
