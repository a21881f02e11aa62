"""How a data set is encoded: what its file meta says of it, and what its first element shows (PS3.10 7.1)."""

from __future__ import annotations

import struct

from pydicom.uid import (
    UID,
    AllTransferSyntaxes,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from operators.dicom.elements.element_walk import Encoding, is_vr

# PS3.5 annex A: transfer syntaxes whose pixel data lie there as they are.
NATIVE = frozenset(
    (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
)
# Those whose pixel data are compressed. A private one may keep them in any way.
COMPRESSED = frozenset(AllTransferSyntaxes) - NATIVE
# How many bytes of a data set show how it is encoded
FIRST_BYTES = 8
# The first group of an image's data set (PS3.6); read in the other byte order it is 0x0800.
_FIRST_GROUPS = (0x0008, 0x0010)


def encoding_of(first: bytes, syntax: str) -> Encoding:
    """How to read a data set that begins with `first` under a transfer syntax; '' where none is named.

    As it is encoded, where that is certain, else as the syntax says. A private syntax is read as explicit or
    implicit VR little endian.
    """
    seen = _seen(first)
    if seen and (said_by(syntax) or not syntax):
        return seen
    explicit = is_vr(first[4:6])
    return Encoding(explicit, big_endian=explicit and syntax == ExplicitVRBigEndian)


def said_by(syntax: str) -> Encoding | None:
    """The encoding that a transfer syntax prescribes; None where none is named, or one that is not known."""
    if syntax not in NATIVE | COMPRESSED:
        return None
    return Encoding(syntax != ImplicitVRLittleEndian, syntax == ExplicitVRBigEndian)


def uncompressed_syntax(encoding: Encoding) -> UID:
    """The uncompressed transfer syntax of that encoding."""
    if not encoding.explicit:
        return ImplicitVRLittleEndian
    return ExplicitVRBigEndian if encoding.big_endian else ExplicitVRLittleEndian


def _seen(first: bytes) -> Encoding | None:
    """None where the first bytes leave it open."""
    if len(first) < FIRST_BYTES:
        return None
    (little,), (big,) = struct.unpack_from("<H", first), struct.unpack_from(">H", first)
    explicit = is_vr(first[4:6])
    if little in _FIRST_GROUPS:
        return Encoding(explicit)
    return Encoding(explicit, big_endian=True) if explicit and big in _FIRST_GROUPS else None
