"""Reads one file's header and finds its pixel data without reading them."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_dataset, read_file_meta_info
from pydicom.tag import BaseTag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from operators.dicom.attributes import VALUE_ERRORS, text, uid
from operators.dicom.encoding import COMPRESSED, NATIVE, FileMeta, file_meta, found_encoding
from operators.dicom.pixel_element import PixelElement, locate
from operators.dicom.quick_header import quick_dataset
from operators.errors import UnreadableError

# PS3.10 7.1: 128 bytes of preamble, then "DICM"; the file meta group starts at 132.
_MAGIC, _MAGIC_AT, _META_AT = b"DICM", 128, 132
# (0002,0000) UL, length 4: its value is the length of the rest of the group.
_GROUP_LENGTH = b"\x02\x00\x00\x00UL\x04\x00"
# A data set without file meta begins with group 0008 in little or big endian (PS3.5 7.1); a file
# without preamble, as DCMTK and pydicom read it too, with group 0002 in explicit VR little endian.
_BARE_STARTS = (b"\x08\x00", b"\x00\x08")
_META_STARTS = (b"\x02\x00\x00\x00UL", b"\x02\x00\x01\x00OB", b"\x02\x00\x02\x00UI")
# Enough for nearly every header of one slice; what is longer is read by pydicom.
_HEAD_BYTES = 1 << 14
# PS3.3 F.3: the SOP class of a DICOMDIR.
DICOMDIR = "1.2.840.10008.1.3.10"
# 8000 frames of 512 x 512: what an inflated file may hold before it counts as a bomb.
MAXIMUM_INFLATED_BYTES = 2**32
# What is inflated at a time, and how much of it is kept to find the header in
_PART_BYTES, _INFLATED_HEAD_BYTES = 1 << 22, 1 << 26
# What pydicom raises on files that are not what they claim to be; anything else is our defect.
READ_ERRORS = (InvalidDicomError, zlib.error, MemoryError, *VALUE_ERRORS)


@dataclass(frozen=True, eq=False)
class Header:
    """A data set without pixels, and where in the (inflated) file its pixels are, or what is amiss there.

    `transfer_syntax_uid` is the one that the bytes are in; `note` says where the file meta names another.
    """

    dataset: Dataset
    transfer_syntax_uid: str
    pixels: PixelElement | None
    damage: UnreadableError | None = None
    note: str = ""


def read_header(path: Path) -> Header | None:
    """None for a file that is no DICOM instance (a DICOMDIR too). Raises UnreadableError."""
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
    """The file, to be read. Raises UnreadableError with the reason of the operating system."""
    try:
        return path.open("rb")
    except OSError as error:
        raise UnreadableError(
            f"expected a file that can be opened, got: {error.strerror}", code="file_not_opened"
        ) from error


def _looks_like_dicom(head: bytes) -> bool:
    if head[_MAGIC_AT:_META_AT] == _MAGIC or head[:6] in _META_STARTS:
        return True
    return head[:2] in _BARE_STARTS and len(head) > 8 and (head[4:6].isalpha() or head[5:8] == b"\0\0\0")


def _read(file: BinaryIO, head: bytes, path: Path) -> Header | None:
    if DeflatedExplicitVRLittleEndian.encode() in head:
        return _read_deflated(path)
    quick = quick_dataset(head)
    if quick:
        dataset, pixels_at = quick
        file.seek(pixels_at)
        return _header(dataset, file, os.fstat(file.fileno()).st_size)
    begin = _META_AT if head[_MAGIC_AT:_META_AT] == _MAGIC else 0
    meta = file_meta(head, begin) if begin or head[:6] in _META_STARTS else None
    if meta and found_encoding(head, meta):
        return _read_mislabelled(file, head, meta)
    dataset = dcmread(file, stop_before_pixels=True, force=True)
    return _header(dataset, file, os.fstat(file.fileno()).st_size)


def _read_mislabelled(file: BinaryIO, head: bytes, meta: FileMeta) -> Header | None:
    """A data set that is not encoded as its file meta says, read as it is encoded."""
    found = found_encoding(head, meta)
    assert found is not None
    file.seek(meta.end)
    dataset = read_dataset(file, found.implicit, found.little_endian, stop_when=_at_pixels)
    dataset.file_meta = meta.dataset
    header = _header(dataset, file, os.fstat(file.fileno()).st_size)
    if header is None or header.pixels is None or header.pixels.native is None:
        return header
    note = f"the file meta says {meta.syntax.name}, the data set is in {found.uid.name} and is read as such"
    return replace(header, transfer_syntax_uid=str(found.uid), note=note)


def _read_deflated(path: Path) -> Header | None:
    head, size = _inflated_head(path)
    file = io.BytesIO(head)
    dataset = read_dataset(file, is_implicit_VR=False, is_little_endian=True, stop_when=_at_pixels)
    dataset.file_meta = read_file_meta_info(path)
    return _header(dataset, file, size)


def _header(dataset: Dataset, file: BinaryIO, size: int) -> Header | None:
    meta = getattr(dataset, "file_meta", None) or Dataset()
    if text((meta,), "MediaStorageSOPClassUID") == DICOMDIR:
        return None
    if len(dataset) == 0:
        raise UnreadableError("expected a DICOM file, got one that ends within its header")
    syntax = uid((meta,), "TransferSyntaxUID") or ImplicitVRLittleEndian
    _, little = dataset.original_encoding
    try:
        pixels = locate(file, size, little_endian=little is not False)
    except UnreadableError as damage:
        return Header(dataset, str(syntax), None, damage)
    return _checked(Header(dataset, str(syntax), pixels))


def _checked(header: Header) -> Header:
    """With the transfer syntax that the pixel data are in: compressed ones have no length (PS3.5 A.4)."""
    if header.pixels is None:
        return header
    compressed = header.pixels.native is None
    if compressed and header.transfer_syntax_uid in NATIVE:
        text = "expected a transfer syntax that says how pixel data are compressed, got one for uncompressed"
        return replace(header, pixels=None, damage=UnreadableError(text, code="other_transfer_syntax"))
    if compressed or header.transfer_syntax_uid not in COMPRESSED:
        return header
    note = "the transfer syntax says that pixel data are compressed, they are not and are read as such"
    return replace(header, transfer_syntax_uid=ExplicitVRLittleEndian, note=note)


def _at_pixels(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return int(tag) in (0x7FE00008, 0x7FE00009, 0x7FE00010)


def inflate(path: Path) -> bytes:
    """The data set of a deflated file (PS3.5 A.5), without its file meta."""
    return b"".join(_inflated(path))


def _inflated_head(path: Path) -> tuple[bytes, int]:
    """As much of a deflated data set as a header may take, and the size of all of it."""
    head, size = bytearray(), 0
    for part in _inflated(path):
        size += len(part)
        if len(head) < _INFLATED_HEAD_BYTES:
            head += part
    return bytes(head), size


def _inflated(path: Path) -> Iterator[bytes]:
    content = path.read_bytes()
    if content[_META_AT : _META_AT + 8] != _GROUP_LENGTH:
        raise UnreadableError("expected a file meta group with its length, got none")
    (length,) = struct.unpack_from("<I", content, _META_AT + 8)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    waiting, size = content[_META_AT + 12 + length :], 0
    while waiting:
        part = inflater.decompress(waiting, _PART_BYTES)
        waiting, size = inflater.unconsumed_tail, size + len(part)
        if size > MAXIMUM_INFLATED_BYTES:
            raise UnreadableError(f"expected at most {MAXIMUM_INFLATED_BYTES} inflated bytes, got more")
        yield part
    if not inflater.eof:
        raise UnreadableError("expected a whole file, got a deflated one that is cut short")
