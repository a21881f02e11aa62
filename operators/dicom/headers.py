"""Reads one file's header and finds its pixel data without reading them."""

from __future__ import annotations

import io
import math
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_dataset, read_file_meta_info
from pydicom.tag import BaseTag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from operators.dicom.attributes import VALUE_ERRORS, text, uid, whole
from operators.dicom.element_walk import OVER_LIMITS, ElementWalk, Encoding, ReadAt, file_reader, is_vr
from operators.dicom.inflation import (
    HEADER_LIMITS,
    MAXIMUM_INFLATED_BYTES,
    PIXEL_HEAD_BYTES,
    header_bytes,
    inflated,
)
from operators.dicom.meta_group import SYNTAX, MetaGroup, read_meta_group
from operators.dicom.pixel_element import PixelElement, locate
from operators.dicom.quick_header import quick_dataset
from operators.errors import UnreadableError

# PS3.10 7.1: 128 bytes of preamble, then "DICM"; the file meta group starts at 132.
_MAGIC, _MAGIC_AT, _META_AT = b"DICM", 128, 132
# A data set without file meta begins with group 0008 in little or big endian (PS3.5 7.1).
_PIXEL_DATA = 0x7FE00010
_BARE_STARTS = (b"\x08\x00", b"\x00\x08")
# Enough for nearly every header of one slice; what is longer is read by pydicom.
_HEAD_BYTES = 1 << 14
# PS3.3 F.3: the SOP class of a DICOMDIR.
DICOMDIR = "1.2.840.10008.1.3.10"
# What pydicom raises on files that are not what they claim to be; anything else is our defect.
READ_ERRORS = (InvalidDicomError, zlib.error, MemoryError, *VALUE_ERRORS)


@dataclass(frozen=True, eq=False)
class Header:
    """A data set without pixels, and where in the (inflated) file its pixels are, or what is amiss there."""

    dataset: Dataset
    transfer_syntax_uid: str
    pixels: PixelElement | None
    damage: UnreadableError | None = None


def read_header(path: Path) -> Header | None:
    """None for a file that is no DICOM instance (a DICOMDIR too). Raises UnreadableError."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            if not _looks_like_dicom(head):
                return None
            file.seek(0)
            return _read(file, head, path)
    except READ_ERRORS as error:
        raise UnreadableError("expected a DICOM file, got one whose header is damaged") from error


def _looks_like_dicom(head: bytes) -> bool:
    if head[_MAGIC_AT:_META_AT] == _MAGIC:
        return True
    return head[:2] in _BARE_STARTS and len(head) > 8 and (head[4:6].isalpha() or head[5:8] == b"\0\0\0")


def _read(file: BinaryIO, head: bytes, path: Path) -> Header | None:
    if DeflatedExplicitVRLittleEndian.encode() in head:
        return _read_deflated(path)
    quick = quick_dataset(head)
    if quick:
        dataset, pixels_at = quick
        file.seek(pixels_at)
    else:
        _require_few_elements(file_reader(file.fileno()))
        dataset = dcmread(file, stop_before_pixels=True, force=True)
    return _header(dataset, file, os.fstat(file.fileno()).st_size)


def _require_few_elements(read_at: ReadAt) -> None:
    """Raises UnreadableError for a header of which pydicom would make more objects than any image needs.

    Sequences of known length it decodes only when they are asked for. All else that is amiss is its to say.
    """
    bare = read_at(_MAGIC_AT, len(_MAGIC)) != _MAGIC
    try:
        meta = MetaGroup({}, 0) if bare else read_meta_group(read_at)
        explicit = is_vr(read_at(meta.end + 4, 2))
        walk = ElementWalk(
            read_at, Encoding(explicit, meta.text(SYNTAX) == ExplicitVRBigEndian), HEADER_LIMITS
        )
        at = meta.end
        while (element := walk.head(at)) and element.tag < _PIXEL_DATA:
            at = walk.behind(element)
    except UnreadableError as error:
        if error.code in OVER_LIMITS:
            raise


def _read_deflated(path: Path) -> Header | None:
    """The header is inflated alone, and the pixels as far as rows, columns and frames go, but not kept."""
    with inflated(path) as stream:
        head = header_bytes(stream)
        file = io.BytesIO(head)
        dataset = read_dataset(file, is_implicit_VR=False, is_little_endian=True, stop_when=_at_pixels)
        dataset.file_meta = read_file_meta_info(path)
        present = stream.reaches(file.tell() + PIXEL_HEAD_BYTES + _pixel_bytes(dataset))
    # What lies behind the pixels that are wanted is nobody's: it counts as there
    return _header(dataset, file, MAXIMUM_INFLATED_BYTES if present else stream.position)


def _pixel_bytes(dataset: Dataset) -> int:
    """How many the header announces; 0 where it does not."""
    sources = (dataset,)
    try:
        frames = whole(sources, "NumberOfFrames", 1) or 1
        samples = whole(sources, "SamplesPerPixel", 1) or 1
        bits = [whole(sources, keyword, 0) or 0 for keyword in ("Rows", "Columns", "BitsAllocated")]
    except UnreadableError:
        return 0
    return max(0, frames * samples * math.prod(bits) // 8)


def _header(dataset: Dataset, file: BinaryIO, size: int) -> Header | None:
    meta = getattr(dataset, "file_meta", None) or Dataset()
    if text((meta,), "MediaStorageSOPClassUID") == DICOMDIR:
        return None
    if len(dataset) == 0:
        raise UnreadableError("expected a DICOM file, got one that ends within its header")
    syntax = uid((meta,), "TransferSyntaxUID") or ImplicitVRLittleEndian
    implicit, little = dataset.original_encoding
    try:
        pixels = locate(file, size, implicit=bool(implicit), little_endian=little is not False)
    except UnreadableError as damage:
        return Header(dataset, str(syntax), None, damage)
    return Header(dataset, str(syntax), pixels)


def _at_pixels(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return int(tag) == _PIXEL_DATA
