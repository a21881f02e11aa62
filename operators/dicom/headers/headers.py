"""Reads one file's header and locates its pixel data without reading them."""

from __future__ import annotations

import io
import math
import os
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from operators.dicom.elements.attributes import VALUE_ERRORS, text, uid, whole
from operators.dicom.elements.element_walk import (
    OVER_LIMITS,
    ElementWalk,
    Encoding,
    ReadAt,
    file_reader,
    is_vr,
)
from operators.dicom.elements.encoding import (
    COMPRESSED,
    FIRST_BYTES,
    NATIVE,
    encoding_of,
    said_by,
    uncompressed_syntax,
)
from operators.dicom.elements.inflation import (
    HEADER_LIMITS,
    MAXIMUM_INFLATED_BYTES,
    PIXEL_HEAD_BYTES,
    header_bytes,
    open_inflated,
)
from operators.dicom.elements.meta_group import MAGIC, MAGIC_AT, META_AT, SYNTAX, MetaGroup, find_meta_group
from operators.dicom.elements.pixel_element import PIXEL_TAGS, PixelElement, locate
from operators.dicom.headers.fast.quick_header import quick_dataset
from operators.errors import UnreadableError, shortage

# A data set without file meta begins with group 0008 in little or big endian (PS3.5 7.1); a file without
# preamble, which DCMTK and pydicom accept too, with group 0002 in explicit VR little endian.
_BARE_STARTS = (b"\x08\x00", b"\x00\x08")
_META_STARTS = (b"\x02\x00\x00\x00UL", b"\x02\x00\x01\x00OB", b"\x02\x00\x02\x00UI")
# Enough for nearly every header of one slice; pydicom reads longer ones.
_HEAD_BYTES = 1 << 14
# PS3.3 F.3: the SOP class of a DICOMDIR.
DICOMDIR = "1.2.840.10008.1.3.10"
_PIXEL_TAG_BYTES = (b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10")
_UNDEFINED_LENGTH = b"\xff" * 4
# The exceptions that pydicom raises for damaged files; anything else is a defect in Osteon.
READ_ERRORS = (InvalidDicomError, zlib.error, MemoryError, *VALUE_ERRORS)


@dataclass(frozen=True, eq=False)
class Header:
    """A data set without pixels, and where its pixels are in the (inflated) file, or how they are damaged.

    `transfer_syntax_uid` is the one that the bytes have; `note` says so if the file meta names another.
    """

    dataset: Dataset
    transfer_syntax_uid: str
    pixels: PixelElement | None
    damage: UnreadableError | None = None
    note: str = ""


def read_header(path: Path) -> Header | None:
    """Reads a header; None for other files and DICOMDIRs. Raises UnreadableError, TransientError."""
    try:
        with opened(path) as file:
            head = file.read(_HEAD_BYTES)
            if not _looks_like_dicom(head):
                return None
            file.seek(0)
            return _read(file, head, path)
    except READ_ERRORS as error:
        raise UnreadableError("expected a DICOM file, got one whose header is damaged") from error


def opened(path: Path) -> BinaryIO:
    """Opens a file for reading. Raises UnreadableError with the system's reason, TransientError."""
    try:
        return path.open("rb")
    except OSError as error:
        text = f"expected a file that can be opened, got: {error.strerror}"
        raise shortage(error) or UnreadableError(text, code="file_not_opened") from error


def _looks_like_dicom(head: bytes) -> bool:
    if head[MAGIC_AT:META_AT] == MAGIC or head[:6] in _META_STARTS:
        return True
    return head[:2] in _BARE_STARTS and len(head) > 8 and (head[4:6].isalpha() or head[5:8] == b"\0\0\0")


def _read(file: BinaryIO, head: bytes, path: Path) -> Header | None:
    if DeflatedExplicitVRLittleEndian.encode() in head:
        return _read_deflated(file, path)
    quick = quick_dataset(head)
    if quick:
        dataset, pixels_at = quick
        file.seek(pixels_at)
        return _header(dataset, file, _size(file))
    return _read_by_pydicom(file, head)


def _read_by_pydicom(file: BinaryIO, head: bytes) -> Header | None:
    """Reads a data set in its actual encoding, whatever its file meta says.

    The walk and pydicom use the same encoding, so that the walk counts the elements that pydicom will make
    objects of.
    """
    read_at = file_reader(file.fileno())
    meta = find_meta_group(read_at)
    syntax = UID(meta.text(SYNTAX))
    encoding, said = encoding_of(read_at(meta.end, FIRST_BYTES), syntax), said_by(syntax)
    if not _has_few_elements(head, _size(file)):
        _require_few_elements(read_at, meta.end, encoding)
    file.seek(meta.end)
    dataset = read_dataset(file, not encoding.explicit, not encoding.big_endian, stop_when=_at_pixels)
    dataset.file_meta = _file_meta(read_at, meta)
    header = _header(dataset, file, _size(file))
    if header is None or header.pixels is None or header.pixels.native is None or said in (None, encoding):
        return header
    found = uncompressed_syntax(encoding)
    note = f"the file meta says {syntax.name}, but the data set is in {found.name} and is read as such"
    return replace(header, transfer_syntax_uid=str(found), note=note)


def _has_few_elements(head: bytes, size: int) -> bool:
    """Returns whether a file can have neither too many elements nor sequences nested too deeply in its
    header.

    Each element takes at least eight bytes; only sequences of undefined length are walked into.
    """
    ends_here = any(tag in head for tag in _PIXEL_TAG_BYTES)
    sequences = head.count(_UNDEFINED_LENGTH)
    return size < 8 * HEADER_LIMITS.elements and ends_here and sequences < HEADER_LIMITS.depth


def _require_few_elements(read_at: ReadAt, at: int, encoding: Encoding) -> None:
    """Raises UnreadableError for a header of which pydicom would make more objects than any image needs.

    pydicom decodes sequences of known length only on access. It reports all other defects itself.
    """
    walk = ElementWalk(read_at, encoding, HEADER_LIMITS)
    try:
        while (element := walk.head(at)) and element.tag not in PIXEL_TAGS:
            at = walk.behind(element)
    except UnreadableError as error:
        if error.code in OVER_LIMITS:
            raise


def _file_meta(read_at: ReadAt, meta: MetaGroup) -> FileMetaDataset:
    content = read_at(meta.begin, meta.end - meta.begin)
    return FileMetaDataset(read_dataset(io.BytesIO(content), not is_vr(content[4:6]), True))


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _read_deflated(source: BinaryIO, path: Path) -> Header | None:
    """Inflates the header alone, and the pixels only to check that they are there; these are not kept."""
    read_at = file_reader(source.fileno())
    with open_inflated(path) as stream:
        head = header_bytes(stream)
        file = io.BytesIO(head)
        dataset = read_dataset(file, is_implicit_VR=False, is_little_endian=True, stop_when=_at_pixels)
        dataset.file_meta = _file_meta(read_at, find_meta_group(read_at))
        present = stream.reaches(file.tell() + PIXEL_HEAD_BYTES + _pixel_bytes(dataset))
    # Bytes after the announced pixels do not matter: the file counts as complete
    return _header(dataset, file, MAXIMUM_INFLATED_BYTES if present else stream.position)


def _pixel_bytes(dataset: Dataset) -> int:
    """Returns how many bytes of pixels the header announces; 0 if it does not."""
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
        raise UnreadableError("expected a complete DICOM file, got one that ends within its header")
    implicit, little = dataset.original_encoding
    encoding = Encoding(not implicit, little is False)
    syntax = uid((meta,), "TransferSyntaxUID") or uncompressed_syntax(encoding)
    try:
        pixels = locate(file, size, little_endian=little is not False, native=syntax in NATIVE)
    except UnreadableError as damage:
        return Header(dataset, str(syntax), None, damage)
    return _checked(Header(dataset, str(syntax), pixels))


def _checked(header: Header) -> Header:
    """Corrects the transfer syntax of pixels that have a length, as only uncompressed ones do (PS3.5 A.4)."""
    if header.pixels is None or header.pixels.native is None or header.transfer_syntax_uid not in COMPRESSED:
        return header
    note = "the transfer syntax is a compressed one, but pixel data are not compressed and are read as such"
    return replace(header, transfer_syntax_uid=ExplicitVRLittleEndian, note=note)


def _at_pixels(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return int(tag) in PIXEL_TAGS
