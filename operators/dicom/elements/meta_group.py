"""The file meta group (PS3.10 7.1) of a file: a few of its values, and where the data set begins.

It is read within its first 64 KB and 1,000 elements. It ends with its last element, whatever length it claims
for itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from operators.dicom.elements.element_walk import UNDEFINED, ElementWalk, Encoding, ReadAt, ScanLimits, is_vr
from operators.errors import UnreadableError

_MAGIC, MAGIC_AT, META_AT = b"DICM", 128, 132
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
    """Texts by tag, checked by nobody yet, and where in the file the group begins and the data set does."""

    values: dict[int, str]
    end: int
    begin: int = META_AT

    def text(self, tag: int) -> str:
        """'' where it is missing."""
        return self.values.get(tag, "")


def read_meta_group(read_at: ReadAt) -> MetaGroup:
    """Raises UnreadableError for a file without the group, or with one that is none."""
    if read_at(MAGIC_AT, len(_MAGIC)) != _MAGIC:
        raise UnreadableError("expected a DICOM file, got one without the letters DICM")
    meta = _group(read_at, META_AT, explicit=True)
    if meta.end == META_AT:
        raise UnreadableError("expected a file meta group, got none")
    return meta


def find_meta_group(read_at: ReadAt) -> MetaGroup:
    """Finds the group of a file that breaks the rules: one that begins with the group, as DCMTK and pydicom
    read it too, that has none, or one with implicit VRs. Raises UnreadableError for a group that is too long.
    """
    begin = META_AT if read_at(MAGIC_AT, len(_MAGIC)) == _MAGIC else 0
    return _group(read_at, begin, explicit=is_vr(read_at(begin + 4, 2)))


def _group(read_at: ReadAt, begin: int, *, explicit: bool) -> MetaGroup:
    """Empty where there is none at `begin`."""
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
    """An AE title without its padding, or '' for what is none."""
    stripped = value.strip(" \0")
    return stripped if _TITLE.fullmatch(stripped) else ""
