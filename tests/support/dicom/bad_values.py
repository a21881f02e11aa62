"""Headers of a tiny CT whose attributes hold invalid values, as bytes from a file."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from operators.dicom.headers.fast.quick_header import quick_dataset
from operators.dicom.headers.series import Series
from operators.dicom.provenance.copied_attributes import COPIED_ATTRIBUTES
from tests.support.dicom.seg_cases import grid, header, series

LONG_VRS = {"OB", "OW", "SQ", "UC", "UN", "UR", "UT"}
# Invalid values as people and careless software write them, under the attribute's own VR
TEXTS = {
    "date with dots": b"1970.01.02", "date with dashes": b"1970-01-02", "day first": b"02.01.1970",
    "unknown day": b"19700100", "unknown month": b"19700000", "day 31 of February": b"19700231",
    "date range": b"19700101-19700131", "two digits of a year": b"700102", "month in words": b"2 Jan 1970",
    "date and time": b"20260102101112", "time with colons": b"10:11:12", "hour 24": b"240000",
    "second 75": b"101175", "time and zone": b"101112+0100", "am": b"10:11 AM", "age": b"56", "age in words":
    b"56 years", "age, short": b"56Y", "male in words": b"Male", "small": b"f", "other language": b"W",
    "unknown": b"UNKNOWN", "question mark": b"?", "not applicable": b"N/A", "empty": b"", "blank": b"    ",
    "ratio": b"10:1", "unit": b"3 mm", "per cent": b"50%", "comma": b"2,5", "thousands": b"1,234.5",
    "many digits": b"1.23456789012345678901", "infinite": b"inf", "not a number": b"NaN", "huge": b"1e999",
    "zero": b"0", "negative": b"-1", "underscore": b"1_0", "hexadecimal": b"0x10", "fraction": b"2.5",
    "fifteen digits": b"123456789012345", "long": b"x" * 100, "very long": b"y" * 20_000, "several": b"a\\b",
    "several numbers": b"1\\2\\3", "only backslashes": b"\\\\\\", "NUL inside": b"a\0b", "NUL alone": b"\0\0",
    "control characters": b"a\x07\x1b[31mb", "line break": b"a\r\nb", "delete": b"a\x7fb",
    "Latin-1": b"M\xfcller", "Windows": b"O\x92Brien", "UTF-8": "Люк".encode(), "half UTF-8": b"\xd0",
    "escape of no set": b"\x1b$)Cab\xff", "many carets": b"^^^^^^^", "many groups": b"a=b=c=d=e",
    "format": b"%s%n{0}", "markup": b"<b>[red]", "path": b"../../x", "UID with letters": b"1.2.x",
    "sentence": "patient ‮ unknown".encode(),
}  # fmt: skip
# Values under another VR than the attribute's
WRONG_VRS = {
    "UT": b"2.5\\2.5 ", "UN": b"F ", "LO": b"19700102", "SH": b"101112", "DS": b"1.5 ", "CS": b"ABC ",
    "US": struct.pack("<H", 7), "FD": struct.pack("<d", 2.5), "FL": struct.pack("<f", 2.5),
    "OB": b"\x01\x02\xff\xfe", "OW": b"\x01\x02\x03\x04", "AT": b"\x10\x00\x10\x00", "SL": b"\xff" * 4,
    "SQ": b"", "IS": b"12", "DA": b"19700102", "PN": b"Doe^Jane",
}  # fmt: skip
# Lengths that are no multiple of the VR's size
TORN = {"one byte": b"\x01", "three bytes": b"\x01\x02\x03", "eleven bytes": b"\xff" * 11}
CHARACTER_SETS = {
    "unknown": b"ISO_IR 999", "misspelt": b"ISO IR 100", "Python's": b"utf-8", "small": b"iso_ir 100",
    "nonsense": b"\xff\xfe\0\x01", "UTF-8 and others": b"ISO_IR 192\\ISO 2022 IR 87",
    "others and UTF-8": b"\\ISO_IR 192", "many": b"\\ISO 2022 IR 87\\ISO 2022 IR 149\\ISO 2022 IR 58",
    "unknown extension": b"\\ISO 2022 IR 999", "empty": b"", "NUL": b"\0\0", "long": b"ISO_IR 100" * 50,
    "several empty": b"\\\\\\", "Chinese": b"GB18030", "ASCII": b"ISO_IR 6",
}  # fmt: skip


@dataclass(frozen=True)
class BadValue:
    """Bytes of a value and its VR, None for the attribute's own."""

    name: str
    vr: str | None
    content: bytes


BAD_VALUES = (
    *(BadValue(name, None, content) for name, content in (TEXTS | TORN).items()),
    *(BadValue(f"as {vr}", vr, content) for vr, content in WRONG_VRS.items()),
)
KEYWORDS = tuple(row.keyword for row in COPIED_ATTRIBUTES if row.keyword != "StudyInstanceUID")


def element(keyword: str, vr: str, content: bytes) -> bytes:
    """Encodes an element in explicit VR little endian; pads only text to an even length."""
    tag = tag_for_keyword(keyword) or 0
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr.encode())
    if vr in LONG_VRS:
        return head + struct.pack("<HI", 0, len(content)) + content
    return head + struct.pack("<H", len(content)) + content


@cache
def good_elements() -> dict[int, bytes]:
    """Returns the elements of a valid header."""
    dataset = header(SpecificCharacterSet="ISO_IR 100")
    made = {}
    for each in dataset:
        content = str(each.value).encode("latin-1")
        made[int(each.tag)] = element(each.keyword, each.VR, content + b" " * (len(content) % 2))
    return made


def header_with(bad: BadValue, *keywords: str, character_set: bytes | None = None) -> Dataset:
    """Returns a header as the scan reads it, with the bad value in each of the attributes."""
    elements = dict(good_elements())
    for keyword in keywords:
        vr = bad.vr or dictionary_VR(keyword)
        content = bad.content if vr in LONG_VRS or len(bad.content) < 65_536 else bad.content[:65_534]
        elements[tag_for_keyword(keyword) or 0] = element(keyword, vr, content)
    if character_set is not None:
        elements[0x00080005] = element("SpecificCharacterSet", "CS", character_set)
    return parsed(b"".join(elements[tag] for tag in sorted(elements)))


def parsed(content: bytes) -> Dataset:
    """Parses a file of these elements up to the pixels."""
    syntax = element("TransferSyntaxUID", "UI", ExplicitVRLittleEndian.encode() + b"\0")
    pixels = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, 2) + b"\0\0"
    quick = quick_dataset(bytes(128) + b"DICM" + syntax + content + pixels)
    assert quick is not None
    return quick[0]


def series_with(dataset: Dataset) -> Series:
    """Returns a series of seven slices of 13 x 9 with that header."""
    return replace(series(grid(), dataset), sop_class_uid=CTImageStorage)


def combinations() -> Iterator[tuple[str, BadValue]]:
    """Yields every attribute with every bad value."""
    return ((keyword, bad) for keyword in KEYWORDS for bad in BAD_VALUES)
