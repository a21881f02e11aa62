"""Which study, series and instance a file belongs to, read from its first attributes and no further."""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset, read_file_meta_info, read_partial
from pydicom.tag import BaseTag, Tag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from operators.dicom.attributes import hint, is_uid, uid
from operators.dicom.element_scan import scan_elements
from operators.dicom.headers import READ_ERRORS
from operators.errors import UnreadableError

_KEYWORDS = (
    "SOPClassUID",
    "SOPInstanceUID",
    "Modality",
    "StudyDescription",
    "SeriesDescription",
    "StudyInstanceUID",
    "SeriesInstanceUID",
)
_TAGS = [Tag(keyword) for keyword in _KEYWORDS]
_WANTED = {int(tag): keyword for tag, keyword in zip(_TAGS, _KEYWORDS, strict=True)}
_LAST = max(_TAGS)
# PS3.10 7.1: preamble, "DICM" and the group length, whose value counts from _META_AT.
_LENGTH_AT, _META_AT = 140, 144
_SYNTAX, _SOURCE = 0x00020010, 0x00020016
# Nothing comes between the last element of the file meta group and this; it only ends the search.
_META_WANTED = frozenset((_SYNTAX, _SOURCE))
# The attributes lie near the start; a stream that inflates to more before they come is no image.
_INFLATED_BYTES = 1 << 20
_HEAD_BYTES = 1 << 14
Attributes = dict[str, str]
_SIMPLE = {ImplicitVRLittleEndian: False, ExplicitVRLittleEndian: True}


@dataclass(frozen=True)
class Instance:
    """One DICOM instance by name; every UID may become part of a path."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    modality: str = ""
    study_description: str = ""
    series_description: str = ""
    source_ae: str = ""


def read_instance(path: Path, begun: bytes = b"") -> Instance:
    """Raises UnreadableError for a file without the four UIDs, or with one that is none.

    `begun` is how the file begins, where that is known already.
    """
    try:
        found = (_quickly(begun) if begun else None) or _from_file(path)
    except READ_ERRORS as error:
        raise UnreadableError("expected a DICOM data set, got one that is damaged") from error
    return _instance(*found)


def _from_file(path: Path) -> tuple[Attributes, str]:
    with path.open("rb") as file:
        return _quickly(file.read(_HEAD_BYTES)) or _in_full(file, path)


def _quickly(head: bytes) -> tuple[Attributes, str] | None:
    """The attributes and the sender's title; None for what must be read in full."""
    length = int.from_bytes(head[_LENGTH_AT:_META_AT], "little")
    start = _META_AT + length
    # The first tag of the data set ends the search in the file meta group.
    meta = scan_elements(head[_META_AT : start + 8], explicit=True, wanted=_META_WANTED)
    syntax = "" if meta is None else meta.get(_SYNTAX, b"").decode("ascii", "replace").rstrip("\0")
    if meta is None or (syntax not in _SIMPLE and not _is_encapsulated(syntax)):
        return None
    values = scan_elements(head[start:], explicit=_SIMPLE.get(syntax, True), wanted=frozenset(_WANTED))
    if values is None:
        return None
    found = {_WANTED[tag]: value.decode("utf-8", "replace").rstrip(" \0") for tag, value in values.items()}
    return found, meta.get(_SOURCE, b"").decode("ascii", "replace").strip()


def _is_encapsulated(syntax: str) -> bool:
    """Compressed images: all of them are explicit VR little endian (PS3.5 A.4)."""
    return syntax.startswith("1.2.840.10008.1.2.4.") or syntax == RLELossless


def _in_full(file: BinaryIO, path: Path) -> tuple[Attributes, str]:
    meta = read_file_meta_info(path)
    file.seek(0)
    found = _first_attributes(file, meta)
    attributes = {keyword: hint((found,), keyword) for keyword in _KEYWORDS}
    return attributes, hint((meta,), "SourceApplicationEntityTitle")


def read_outgoing(path: Path) -> tuple[str, str, str]:
    """SOP class, SOP instance and transfer syntax UID of a file. Raises UnreadableError."""
    try:
        meta = read_file_meta_info(path)
    except READ_ERRORS as error:
        raise UnreadableError(f"expected a DICOM file, {path.name} is none") from error
    keywords = ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID", "TransferSyntaxUID")
    found = {keyword: hint((meta,), keyword) for keyword in keywords}
    sop_class_uid, sop_instance_uid, syntax = (_required(found, keyword) for keyword in keywords)
    return sop_class_uid, sop_instance_uid, syntax


def _first_attributes(file: BinaryIO, meta: Dataset) -> Dataset:
    if uid((meta,), "TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        return _deflated(file, meta)
    return read_partial(file, stop_when=_past_the_last, specific_tags=_TAGS)


def _deflated(file: BinaryIO, meta: Dataset) -> Dataset:
    file.seek(_META_AT + int(meta.FileMetaInformationGroupLength))
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = io.BytesIO(inflater.decompress(file.read(_INFLATED_BYTES), _INFLATED_BYTES))
    return read_dataset(inflated, False, True, stop_when=_past_the_last, specific_tags=_TAGS)


def _past_the_last(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return tag > _LAST


def _instance(found: Attributes, source_ae: str) -> Instance:
    return Instance(
        _required(found, "StudyInstanceUID"),
        _required(found, "SeriesInstanceUID"),
        _required(found, "SOPInstanceUID"),
        _required(found, "SOPClassUID"),
        found.get("Modality", ""),
        found.get("StudyDescription", ""),
        found.get("SeriesDescription", ""),
        source_ae,
    )


def _required(found: Attributes, keyword: str) -> str:
    value = found.get(keyword, "").rstrip("\0")
    if not value:
        raise UnreadableError(f"expected a {keyword}, got none", code="missing_uid")
    if not is_uid(value):
        raise UnreadableError(f"expected a UID in {keyword}, got something else", code="invalid_uid")
    return value
