"""Reads a plain header in a third of pydicom's time; returns None for any other header."""

from __future__ import annotations

import struct
from collections.abc import MutableMapping
from typing import cast

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import BaseTag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian
from pydicom.valuerep import VR

from operators.dicom.elements.character_sets import character_set_of
from operators.dicom.elements.element_scan import elements

# PS3.10 7.1: 128 bytes of preamble, then "DICM".
_MAGIC, _MAGIC_AT, _META_AT = b"DICM", 128, 132
_PIXEL_DATA, _META_END = 0x7FE00010, 0x00030000
_TRANSFER_SYNTAX = BaseTag(0x00020010)
_NOT_PLAIN = frozenset(
    uid.encode() for uid in (ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
)
_VRS = {vr.value.encode(): vr.value for vr in VR if len(vr.value) == 2}

Raw = dict[BaseTag, RawDataElement]
# The type that pydicom declares; only raw elements are put in
Elements = MutableMapping[BaseTag, DataElement | RawDataElement]


def quick_dataset(head: bytes) -> tuple[Dataset, int] | None:
    """Returns the data set before the pixel data of a file that starts with `head`, and the offset of the
    pixel data.

    The data set is as pydicom would read it, with values not converted yet. Returns None if pydicom must read
    the file itself: not explicit VR little endian, an element of undefined length, no pixel data within
    `head`.
    """
    if head[_MAGIC_AT:_META_AT] != _MAGIC:
        return None
    meta: Raw = {}
    raw: Raw = {}
    begin, size = _META_AT, len(head)
    try:
        for number, vr, start, end in elements(head, explicit=True, at=_META_AT):
            if number == _PIXEL_DATA:
                return _dataset(meta, raw, begin)
            if end > size:
                return None
            tag, group = BaseTag(number), meta if number < _META_END else raw
            group[tag] = RawDataElement(tag, _VRS[vr], end - start, head[start:end], start, False, True)
            begin = end
    except (struct.error, KeyError):
        return None
    return None


def _dataset(meta: Raw, raw: Raw, pixels_at: int) -> tuple[Dataset, int] | None:
    syntax = meta.get(_TRANSFER_SYNTAX)
    if syntax is None or syntax.value is None or syntax.value.strip(b" \0") in _NOT_PLAIN:
        return None
    dataset = Dataset(cast(Elements, raw))
    dataset.file_meta = FileMetaDataset(cast(Elements, meta))
    dataset.set_original_encoding(False, True, list(character_set_of(dataset).encodings))
    return dataset, pixels_at
