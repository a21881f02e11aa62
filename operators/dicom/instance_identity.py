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
from pydicom.uid import DeflatedExplicitVRLittleEndian

from operators.dicom.attributes import hint, uid
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
_LAST = max(_TAGS)
# The attributes lie near the start; a stream that inflates to more before they come is no image.
_INFLATED_BYTES = 1 << 20


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


def read_instance(path: Path) -> Instance:
    """Raises UnreadableError for a file without the four UIDs, or with one that is none."""
    try:
        meta = read_file_meta_info(path)
        with path.open("rb") as file:
            found = _first_attributes(file, meta)
    except READ_ERRORS as error:
        raise UnreadableError("expected a DICOM data set, got one that is damaged") from error
    return _instance(found, hint((meta,), "SourceApplicationEntityTitle"))


def read_outgoing(path: Path) -> tuple[str, str, str]:
    """SOP class, SOP instance and transfer syntax UID of a file. Raises UnreadableError."""
    try:
        meta = read_file_meta_info(path)
    except READ_ERRORS as error:
        raise UnreadableError(f"expected a DICOM file, {path.name} is none") from error
    keywords = ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID", "TransferSyntaxUID")
    sop_class_uid, sop_instance_uid, syntax = (_required(meta, keyword) for keyword in keywords)
    return sop_class_uid, sop_instance_uid, syntax


def _first_attributes(file: BinaryIO, meta: Dataset) -> Dataset:
    if uid((meta,), "TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        return _deflated(file, meta)
    return read_partial(file, stop_when=_past_the_last, specific_tags=_TAGS)


def _deflated(file: BinaryIO, meta: Dataset) -> Dataset:
    file.seek(144 + int(meta.FileMetaInformationGroupLength))
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = io.BytesIO(inflater.decompress(file.read(_INFLATED_BYTES), _INFLATED_BYTES))
    return read_dataset(inflated, False, True, stop_when=_past_the_last, specific_tags=_TAGS)


def _past_the_last(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return tag > _LAST


def _instance(found: Dataset, source_ae: str) -> Instance:
    return Instance(
        _required(found, "StudyInstanceUID"),
        _required(found, "SeriesInstanceUID"),
        _required(found, "SOPInstanceUID"),
        _required(found, "SOPClassUID"),
        hint((found,), "Modality"),
        hint((found,), "StudyDescription"),
        hint((found,), "SeriesDescription"),
        source_ae,
    )


def _required(found: Dataset, keyword: str) -> str:
    value = uid((found,), keyword)
    if not value:
        raise UnreadableError(f"expected a {keyword}, got none", code="missing_uid")
    return value
