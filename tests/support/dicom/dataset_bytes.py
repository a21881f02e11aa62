"""Encodes data sets that no library would write."""

from __future__ import annotations

import struct
import zlib

from tests.support.dicom import phantoms
from tests.support.faults.wire import CT

UID = f"{phantoms.UID_ROOT}.77"
# PS3.5 7.1.2: value representations with a length of 32 bits
LONG = ("OB", "OW", "SQ", "UN", "UT")
UNDEFINED = 0xFFFFFFFF


def element(tag: int, vr: str, value: bytes, length: int | None = None) -> bytes:
    """Encodes an element in explicit VR little endian; `length` replaces its true length."""
    stated = len(value) if length is None else length
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    return head + (struct.pack("<HL", 0, stated) if vr in LONG else struct.pack("<H", stated)) + value


def text(tag: int, vr: str, value: str) -> bytes:
    """Encodes text, padded to an even length."""
    content = value.encode("latin-1")
    return element(tag, vr, content + (b"\0" if vr == "UI" else b" ") * (len(content) % 2))


def ct(
    uid: str = f"{UID}.1.1",
    *,
    study: str = UID,
    series: str = f"{UID}.1",
    patient: str = "PHANTOM",
    rows: bytes = struct.pack("<H", 16),
    rows_vr: str = "US",
    before: bytes = b"",
    after: bytes = b"",
) -> bytes:
    """Encodes a CT of 16 x 16; `before` comes before the study's UID, `after` after the pixels."""
    return b"".join(
        (
            text(0x00080016, "UI", CT),
            text(0x00080018, "UI", uid),
            text(0x00080060, "CS", "CT"),
            before,
            text(0x00100020, "LO", patient),
            text(0x0020000D, "UI", study),
            text(0x0020000E, "UI", series),
            element(0x00280010, rows_vr, rows),
            element(0x00280011, "US", struct.pack("<H", 16)),
            element(0x7FE00010, "OW", bytes(512)),
            after,
        )
    )


def nested(depth: int) -> bytes:
    """Encodes nested sequences of undefined length."""
    start = element(0x00081140, "SQ", b"", UNDEFINED) + struct.pack("<HHL", 0xFFFE, 0xE000, UNDEFINED)
    end = struct.pack("<HHL", 0xFFFE, 0xE00D, 0) + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    return start * depth + end * depth


def deflated(content: bytes, zeros: int = 0) -> bytes:
    """Deflates content (raw deflate, PS3.5 A.5) followed by a number of zeros."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = packer.compress(content)
    for _ in range(zeros >> 20):
        packed += packer.compress(bytes(1 << 20))
    return packed + packer.flush()
