"""Reads the study, series and instance of a file from its first attributes, and nothing beyond them.

The cost is bounded whatever the file holds (`ScanLimits`; a deflated file is inflated to at most 1 MB). A
file that cannot be identified within the bounds is refused with the reason.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pydicom.charset import python_encoding
from pydicom.tag import Tag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from operators.dicom.elements.attributes import is_code_string, is_uid
from operators.dicom.elements.element_scan import LIMITS, Values, elements, scan_data_set, scan_elements
from operators.dicom.elements.element_walk import Encoding, ReadAt, bytes_reader, file_reader, is_vr
from operators.dicom.elements.meta_group import (
    GROUP,
    SOP_CLASS,
    SOP_INSTANCE,
    SOURCE,
    SYNTAX,
    MetaGroup,
    read_meta_group,
    title_of,
)
from operators.errors import UnreadableError

_KEYWORDS = (
    "SpecificCharacterSet",
    "SOPClassUID",
    "SOPInstanceUID",
    "Modality",
    "StudyDescription",
    "SeriesDescription",
    "StudyInstanceUID",
    "SeriesInstanceUID",
)
_TAGS = {keyword: int(Tag(keyword)) for keyword in _KEYWORDS}
_WANTED = frozenset(_TAGS.values())
# PS3.10 7.1: preamble, "DICM" and the group length, whose value counts from _META_AT.
_LENGTH_AT, _META_AT = 140, 144
_META_GROUP_BYTES = GROUP.to_bytes(2, "little")
# The attributes lie near the start; a stream that inflates to more before they appear is not an image.
_INFLATED_BYTES = 1 << 20
_HEAD_BYTES = 1 << 14
_SIMPLE: dict[str, bool] = {ImplicitVRLittleEndian: False, ExplicitVRLittleEndian: True}


@dataclass(frozen=True)
class Instance:
    """The UIDs of one DICOM instance, each safe as part of a path, and what rules match.

    `modality` is a code string and `source_ae` an AE title, or ''. The descriptions are unchecked text: they
    are compared with the patterns of rules, and are neither stored nor shown.
    """

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    modality: str = ""
    study_description: str = ""
    series_description: str = ""
    source_ae: str = ""


def read_instance(path: Path) -> Instance:
    """Identifies the instance of a file. Raises UnreadableError if one of the four UIDs is not valid."""
    try:
        with path.open("rb", buffering=0) as file:
            return _quickly(file.read(_HEAD_BYTES)) or _in_full(file_reader(file.fileno()))
    except OSError as error:
        raise UnreadableError("expected a readable file, got one that cannot be opened") from error


def read_received(path: Path, begun: bytes, meta: MetaGroup) -> Instance:
    """Identifies the instance of a file that this process has just written.

    `begun` holds the file's first bytes, and `meta` is the file meta group at their start. Raises
    UnreadableError.
    """
    return _described(begun, meta) or read_instance(path)


def read_outgoing(path: Path) -> tuple[str, str, str]:
    """Returns the SOP class, SOP instance and transfer syntax UIDs of a file. Raises UnreadableError."""
    try:
        with path.open("rb", buffering=0) as file:
            meta = read_meta_group(file_reader(file.fileno()))
    except (UnreadableError, OSError) as error:
        raise UnreadableError(f"expected a DICOM file, got {path.name}, which is not one") from error
    return (
        _required_uid(meta.text(SOP_CLASS), "MediaStorageSOPClassUID"),
        _required_uid(meta.text(SOP_INSTANCE), "MediaStorageSOPInstanceUID"),
        _required_uid(meta.text(SYNTAX), "TransferSyntaxUID"),
    )


def _quickly(head: bytes) -> Instance | None:
    """Identifies the instance from the file's first bytes; returns None if `_in_full` must read it."""
    meta = _quick_meta(head)
    return None if meta is None else _described(head, meta)


def _described(head: bytes, meta: MetaGroup) -> Instance | None:
    syntax = meta.text(SYNTAX)
    if syntax not in _SIMPLE and not _is_encapsulated(syntax):
        return None
    explicit = _SIMPLE.get(syntax, True) and is_vr(head[meta.end + 4 : meta.end + 6])
    values = scan_elements(head[meta.end :], explicit=explicit, wanted=_WANTED)
    return None if values is None else _instance(values, meta)


def _quick_meta(head: bytes) -> MetaGroup | None:
    """Reads like `read_meta_group`; returns None if the group's length is wrong or too long."""
    end = _META_AT + int.from_bytes(head[_LENGTH_AT:_META_AT], "little")
    if end > len(head) or head[end : end + 2] == _META_GROUP_BYTES:
        return None
    values: dict[int, str] = {}
    for tag, _, start, at in elements(head[:end] + bytes(12), explicit=True, at=_META_AT):
        if start > end:
            return MetaGroup(values, end) if values else None
        if at > end or tag >> 16 != GROUP:
            return None
        if tag in (SYNTAX, SOURCE):
            values[tag] = head[start:at].decode("ascii", "replace").strip(" \0")
    return None


def _is_encapsulated(syntax: str) -> bool:
    """Returns whether a transfer syntax is compressed; those are explicit VR little endian (PS3.5 A.4)."""
    return syntax.startswith("1.2.840.10008.1.2.4.") or syntax == RLELossless


def _in_full(read_at: ReadAt) -> Instance:
    meta = read_meta_group(read_at)
    start, syntax = meta.end, meta.text(SYNTAX)
    if syntax == DeflatedExplicitVRLittleEndian:
        read_at, start = bytes_reader(_inflated_head(read_at(start, _INFLATED_BYTES))), 0
    # Some files claim explicit VRs but have implicit ones (pydicom looks at the first element too)
    explicit = syntax != ImplicitVRLittleEndian and is_vr(read_at(start + 4, 2))
    encoding = Encoding(explicit, big_endian=syntax == ExplicitVRBigEndian)
    return _instance(scan_data_set(read_at, start, encoding, _WANTED), meta)


def _inflated_head(content: bytes) -> bytes:
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, _INFLATED_BYTES)
    except zlib.error as error:
        raise UnreadableError("expected a valid deflated data set, got a damaged one") from error


def _instance(values: Values, meta: MetaGroup) -> Instance:
    def said(keyword: str) -> str:
        """Returns a value of digits and capitals, which are the same in any character set."""
        return values.get(_TAGS[keyword], b"").decode("ascii", "replace").strip(" \0")

    modality = said("Modality")
    return Instance(
        _required_uid(said("StudyInstanceUID"), "StudyInstanceUID"),
        _required_uid(said("SeriesInstanceUID"), "SeriesInstanceUID"),
        _required_uid(said("SOPInstanceUID"), "SOPInstanceUID"),
        _required_uid(said("SOPClassUID"), "SOPClassUID"),
        modality if is_code_string(modality) else "",
        _description(values, "StudyDescription"),
        _description(values, "SeriesDescription"),
        title_of(meta.text(SOURCE)),
    )


def _description(values: Values, keyword: str) -> str:
    """Returns a description, decoded as far as Python can; '' if it is too long to be valid."""
    value = values.get(_TAGS[keyword], b"")
    if not value or len(value) > LIMITS.value_bytes:
        return ""
    encoding = _encoding(values.get(_TAGS["SpecificCharacterSet"], b"")[:64])
    return value.decode(encoding, "replace").strip(" \0")


@lru_cache(maxsize=64)
def _encoding(character_sets: bytes) -> str:
    """Returns Python's name of the last character set that it knows.

    Without a known character set this is UTF-8, the most frequent of the encodings that files use without
    naming them.
    """
    named = [name.strip(" \0") for name in character_sets.decode("ascii", "replace").split("\\")]
    known = [python_encoding[name] for name in named if name in python_encoding]
    return known[-1] if any(named) and known else "utf-8"


def _required_uid(value: str, keyword: str) -> str:
    if not value:
        raise UnreadableError(f"expected a {keyword}, got none", code="missing_uid")
    if not is_uid(value):
        raise UnreadableError(f"expected a UID in {keyword}, got another value", code="invalid_uid")
    return value
