"""Writes the head of a DICOM file (PS3.10 7.1) before a data set received over the network."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path
from typing import BinaryIO

from operators.dicom.elements.attributes import UID_LENGTH, is_uid
from operators.dicom.elements.element_walk import file_reader
from operators.dicom.elements.meta_group import (
    SOP_CLASS,
    SOP_INSTANCE,
    SOURCE,
    SYNTAX,
    read_meta_group,
    title_of,
)
from operators.errors import UnreadableError

# PS3.7 D.3.3.2: identifies the implementation; 2.25 and a UUID (PS3.5 B.2).
IMPLEMENTATION_CLASS_UID = "2.25.263416371573152735110463098164287043347"
IMPLEMENTATION_VERSION = "OSTEON"
_PREAMBLE = bytes(128) + b"DICM"
_VERSION = b"\x02\x00\x01\x00OB\0\0\x02\0\0\0\0\x01"


def file_head(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source_ae: str) -> bytes:
    """Returns the preamble and the file meta group. Raises UnreadableError for an invalid UID."""
    elements = b"".join(
        (
            _VERSION,
            _element(0x0002, b"UI", _uid(sop_class_uid)),
            _element(0x0003, b"UI", _uid(sop_instance_uid)),
            _element(0x0010, b"UI", _uid(transfer_syntax_uid)),
            _IMPLEMENTATION,
            _element(0x0016, b"AE", _padded(source_ae, b" ")),
        )
    )
    return _PREAMBLE + _element(0x0000, b"UL", struct.pack("<I", len(elements))) + elements


def with_standard_head(source: Path, target: BinaryIO, sender: str = "") -> None:
    """Copies a DICOM file with a file meta group as the node writes it.

    The group names `sender` as the source AE title, or the source that the file names if `sender` is empty.
    Raises UnreadableError.
    """
    with source.open("rb") as file:
        meta = read_meta_group(file_reader(file.fileno()))
        source_ae = sender or title_of(meta.text(SOURCE))
        sop_class_uid, sop_instance_uid = meta.text(SOP_CLASS), meta.text(SOP_INSTANCE)
        target.write(file_head(sop_class_uid, sop_instance_uid, meta.text(SYNTAX), source_ae))
        file.seek(meta.end)
        shutil.copyfileobj(file, target)


def _element(number: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", 0x0002, number, vr, len(value)) + value


def _uid(value: str) -> bytes:
    if not is_uid(value):
        raise UnreadableError(
            f"expected a UID of at most {UID_LENGTH} digits and full stops, got another value",
            code="invalid_uid",
        )
    return _padded(value, b"\0")


def _padded(value: str, padding: bytes) -> bytes:
    content = value.encode("ascii", "replace")
    return content + padding * (len(content) % 2)


_IMPLEMENTATION = b"".join(
    (
        _element(0x0012, b"UI", _uid(IMPLEMENTATION_CLASS_UID)),
        _element(0x0013, b"SH", _padded(IMPLEMENTATION_VERSION, b" ")),
    )
)
