"""How a data set is encoded, by its first element, and whether its file meta says so (PS3.10 7.1)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.tag import BaseTag
from pydicom.uid import (
    UID,
    AllTransferSyntaxes,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from operators.dicom.element_scan import elements

# PS3.5 annex A: transfer syntaxes whose pixel data lie there as they are.
NATIVE = frozenset(
    (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
)
# Those whose pixel data are compressed. A private one may keep them in any way.
COMPRESSED = frozenset(AllTransferSyntaxes) - NATIVE
_META_END = 0x00030000
# The first group of an image's data set (PS3.6); read in the other byte order it is 0x0800.
_FIRST_GROUPS = (0x0008, 0x0010)


@dataclass(frozen=True)
class Encoding:
    """Value representations written or not, and the byte order."""

    implicit: bool
    little_endian: bool

    @property
    def uid(self) -> UID:
        """The uncompressed transfer syntax of that encoding."""
        if self.implicit:
            return ImplicitVRLittleEndian
        return ExplicitVRLittleEndian if self.little_endian else ExplicitVRBigEndian


@dataclass(frozen=True, eq=False)
class FileMeta:
    """The file meta group, and where in the file it ends."""

    dataset: FileMetaDataset
    end: int

    @property
    def syntax(self) -> UID:
        """The transfer syntax that it names; empty where it names none."""
        return UID(self.dataset.get("TransferSyntaxUID", ""))


def file_meta(head: bytes, begin: int) -> FileMeta | None:
    """The group whose first element stands at `begin`; None where `head` does not hold it whole."""
    raw: dict[BaseTag, RawDataElement] = {}
    try:
        for tag, vr, start, end in elements(head, explicit=True, at=begin):
            if tag >= _META_END or not vr.isalpha():
                return FileMeta(FileMetaDataset(raw), begin)
            if end > len(head):
                return None
            value = head[start:end]
            raw[BaseTag(tag)] = RawDataElement(
                BaseTag(tag), vr.decode(), end - start, value, start, False, True
            )
            begin = end
    except (struct.error, UnicodeDecodeError):
        return None
    return None


def found_encoding(head: bytes, meta: FileMeta) -> Encoding | None:
    """How the data set behind `meta` is encoded, where that is certain and is not what `meta` says."""
    if meta.syntax == DeflatedExplicitVRLittleEndian or len(head) < meta.end + 8:
        return None
    group_low, _, vr = struct.unpack_from("<HH2s", head, meta.end)
    (group_high,) = struct.unpack_from(">H", head, meta.end)
    little_endian = group_low in _FIRST_GROUPS
    explicit = vr.isalpha() and vr.isupper()
    if not little_endian and not (group_high in _FIRST_GROUPS and explicit):
        return None
    found, said = Encoding(not explicit, little_endian), said_by(meta.syntax)
    return None if said is None or found == said else found


def said_by(syntax: UID) -> Encoding | None:
    """The encoding that a transfer syntax prescribes; None where none is named, or one that is not known."""
    if syntax not in NATIVE | COMPRESSED:
        return None
    return Encoding(syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian)
