"""Copies the part of a source's header that results may hold: conforming elements, and notes on the others.

The header itself is never changed; a value is kept, or rewritten as the same value in DICOM's form.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydicom.config import IGNORE
from pydicom.datadict import dictionary_VM, dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag

from operators.dicom.elements.attributes import VALUE_ERRORS
from operators.dicom.elements.character_sets import CHARACTER_SET, REPLACEMENT, CharacterSet, character_set_of
from operators.dicom.elements.value_rules import (
    FREE_TEXT,
    PARAGRAPHS,
    TEXT,
    is_too_long,
    is_value,
    rewrite_value,
)
from operators.dicom.provenance.copied_attributes import COPIED_ATTRIBUTES, CopiedAttribute, Otherwise

REWRITTEN, KEPT = "rewritten in DICOM's form in the results", "kept unchanged in the results"
REPLACED = "with replacement characters in the results"
OTHERWISE_DECODED = "decoded as UTF-8 or Latin-1, as its bytes do not fit the named character set"
UNKNOWN = "not a DICOM character set, or misspelt"
# struct formats of the binary VRs in the table
_BINARY = {"US": "H", "FD": "d"}
_PADDING = "\0 "
_BY_TAG = {Tag(row.keyword): row for row in COPIED_ATTRIBUTES}


@dataclass(frozen=True, eq=False)
class ConformingHeader:
    """`dataset` holds COPIED_ATTRIBUTES alone; `notes` are keywords, each with what happened to its value."""

    dataset: Dataset
    notes: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Found:
    """A conforming value, and what was done to make it conform ('' for nothing); any other is None."""

    value: str | list[str] | int | float | list[Dataset]
    note: str = ""


def conforming_header(header: Dataset) -> ConformingHeader:
    """Copies the attributes of `header` that results may hold; never raises, whatever the header holds."""
    character_set = character_set_of(header)
    copied, notes = Dataset(), [] if character_set.is_known else [(CHARACTER_SET, UNKNOWN)]
    for row in (row for tag, row in _BY_TAG.items() if tag in header):
        found = _found(header, row, character_set)
        if found is None:
            notes.append((row.keyword, row.otherwise.value))
            found = Found("")
        elif found.note:
            notes.append((row.keyword, found.note))
        if found.value not in ("", []) or row.otherwise is Otherwise.EMPTY:
            copied.add(_element(row.keyword, found.value))
    return ConformingHeader(copied, tuple(notes))


def sentences(notes: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Returns warnings for users: keywords, never values."""
    by_note: dict[str, list[str]] = {}
    for keyword, note in notes:
        by_note.setdefault(note, []).append(keyword)
    return tuple(
        f"the source's header does not conform: {', '.join(words)}: {note}" for note, words in by_note.items()
    )


def _found(header: Dataset, row: CopiedAttribute, character_set: CharacterSet) -> Found | None:
    vr = dictionary_VR(row.keyword)
    if vr == "SQ":
        return _items(header, row, character_set)
    if vr in _BINARY:
        return _number(header, row.keyword, vr)
    if vr not in TEXT:
        return None
    content = _content(header, row.keyword)
    if content is None:
        return None
    decoded = _decoded(content, vr, character_set)
    return decoded and _checked(decoded, row, vr)


def _content(header: Dataset, keyword: str) -> bytes | str | None:
    """Returns the value of a text element, bytes if not decoded yet; '' if empty, None if it is not text."""
    try:
        element = header.get_item(keyword)
        value = None if element is None else element.value
        if value is None:
            return ""
        if isinstance(value, bytes):
            return value if element.VR not in _NEVER_TEXT else None
        if isinstance(value, MultiValue | list | tuple):
            return None if any(isinstance(each, Dataset) for each in value) else "\\".join(map(str, value))
        return None if isinstance(value, Dataset) else str(value)
    except VALUE_ERRORS:
        return None


_NEVER_TEXT = frozenset({"US", "SS", "UL", "SL", "UV", "SV", "FL", "FD", "AT", "OD", "OF", "OL", "OV", "SQ"})


def _decoded(content: bytes | str, vr: str, character_set: CharacterSet) -> Found | None:
    """Decodes a text, in another character set if it does not fit; names may keep replacement characters."""
    if isinstance(content, str):
        text, fits = content, True
    elif vr in FREE_TEXT:
        text, fits = character_set.decode(content.rstrip(b"\0 "))
    elif content.isascii():
        text, fits = content.decode("ascii"), True
    else:
        return None
    if REPLACEMENT in text:
        return Found(text, REPLACED) if vr == "PN" else None
    return Found(text, "" if fits else OTHERWISE_DECODED)


def _checked(found: Found, row: CopiedAttribute, vr: str) -> Found | None:
    text = str(found.value).rstrip(_PADDING)
    parts = [text] if vr in PARAGRAPHS else text.split("\\")
    if vr in FREE_TEXT or vr in ("CS", "DS", "IS"):
        parts = [part.rstrip(_PADDING) for part in parts]
    counted = _has_multiplicity(row.keyword, len(parts)) or parts == [""]
    if row.identifier and all(is_value(vr, part) for part in parts):
        odd = not counted or any(is_too_long(vr, part) for part in parts)
        return Found(_one_or_many(parts), KEPT if odd else found.note)
    if not counted:
        return None
    return _each_conforms(parts, row, vr, found.note)


def _each_conforms(parts: list[str], row: CopiedAttribute, vr: str, note: str) -> Found | None:
    fine = [part if _conforms(part, row, vr) else None for part in parts]
    if None not in fine:
        return Found(_one_or_many(parts), note)
    written = [
        rewrite_value(vr, part) if good is None else good for good, part in zip(fine, parts, strict=True)
    ]
    whole = [part for part in written if part is not None and _conforms(part, row, vr)]
    return Found(_one_or_many(whole), REWRITTEN) if len(whole) == len(parts) else None


def _conforms(part: str, row: CopiedAttribute, vr: str) -> bool:
    if part == "":
        return True
    if is_too_long(vr, part) or not is_value(vr, part):
        return False
    if row.allowed and part.strip() not in row.allowed:
        return False
    return not row.positive or float(part) > 0


def _has_multiplicity(keyword: str, count: int) -> bool:
    """Returns whether the data dictionary allows so many values."""
    low, _, high = dictionary_VM(keyword).partition("-")
    return int(low) <= count and (high.endswith("n") or count <= int(high or low))


def _one_or_many(parts: list[str]) -> str | list[str]:
    return parts[0] if len(parts) == 1 else parts


def _number(header: Dataset, keyword: str, vr: str) -> Found | None:
    """Reads one binary number, which must have its own VR."""
    try:
        element = header.get_item(keyword)
        value = None if element is None else element.value
        if isinstance(value, bytes) and isinstance(element, RawDataElement):
            if element.VR not in (vr, None):
                return None
            order = "<" if element.is_little_endian else ">"
            (value,) = struct.unpack(order + _BINARY[vr], value) if value else ("",)
        if value is None or value == "":
            return Found("")
        struct.pack(_BINARY[vr], value)
        return Found(value)
    except (*VALUE_ERRORS, struct.error):
        return None


def _items(header: Dataset, row: CopiedAttribute, character_set: CharacterSet) -> Found | None:
    """Copies the items of a sequence that conform entirely."""
    try:
        alone = Dataset()  # pydicom stores converted values in the data set that it reads them from
        alone[Tag(row.keyword)] = header.get_item(row.keyword)
        given = alone[row.keyword].value
        found = [_item(item, character_set) for item in given or ()]
    except VALUE_ERRORS:
        return None
    kept = [item for item in found if item is not None]
    if len(kept) == len(found):
        return Found(kept)
    return Found(kept, "items that do not conform are left out of the results")


def _item(item: Dataset, character_set: CharacterSet) -> Dataset | None:
    """Returns a copy of an item's standard attributes; None if any of them does not conform."""
    own = character_set_of(item) if CHARACTER_SET in item else character_set
    copied = Dataset()
    for keyword in _keywords(item):
        found = _found(item, CopiedAttribute(keyword, Otherwise.OMITTED), own)
        if found is None or found.note:
            return None
        copied.add(_element(keyword, found.value))
    return copied


def _keywords(item: Dataset) -> Iterator[str]:
    tags = list(item.keys())  # iterating over the item itself would convert every value
    names = (keyword_for_tag(tag) for tag in tags if not tag.is_private)
    return (name for name in names if name and name != CHARACTER_SET)


def _element(keyword: str, value: object) -> DataElement:
    vr = dictionary_VR(keyword)
    # Values kept although too long were already noted; pydicom's warning would quote them
    return DataElement(tag_for_keyword(keyword) or 0, vr, value, validation_mode=IGNORE)
