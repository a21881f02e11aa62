"""Determines how a data set is encoded, from its file meta and its first element (PS3.10 7.1)."""

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

# PS3.5 annex A: transfer syntaxes whose pixel data are not compressed.
NATIVE = frozenset(
    (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
)
# Those whose pixel data are compressed. A private syntax may keep them in any form.
COMPRESSED = frozenset(AllTransferSyntaxes) - NATIVE
# How many bytes of a data set are needed to recognise its encoding
FIRST_BYTES = 8
# The first group of an image's data set (PS3.6); read in the other byte order it is 0x0800.
_FIRST_GROUPS = (0x0008, 0x0010)


def encoding_of(first: bytes, syntax: str) -> Encoding:
    """Returns how to read a data set that begins with `first` under a transfer syntax ('' if none is named).

    The bytes decide if they are unambiguous, else the syntax. A private syntax is read as explicit or
    implicit VR little endian.
    """
    seen = _seen(first)
    if seen and (said_by(syntax) or not syntax):
        return seen
    explicit = is_vr(first[4:6])
    return Encoding(explicit, big_endian=explicit and syntax == ExplicitVRBigEndian)


def said_by(syntax: str) -> Encoding | None:
    """Returns the encoding that a transfer syntax prescribes; None if it is unnamed or unknown."""
    if syntax not in NATIVE | COMPRESSED:
        return None
    return Encoding(syntax != ImplicitVRLittleEndian, syntax == ExplicitVRBigEndian)


def uncompressed_syntax(encoding: Encoding) -> UID:
    """Returns the uncompressed transfer syntax of an encoding."""
    if not encoding.explicit:
        return ImplicitVRLittleEndian
    return ExplicitVRBigEndian if encoding.big_endian else ExplicitVRLittleEndian


def _seen(first: bytes) -> Encoding | None:
    """Returns the encoding that the first bytes show; None if they are ambiguous."""
    if len(first) < FIRST_BYTES:
        return None
    (little,), (big,) = struct.unpack_from("<H", first), struct.unpack_from(">H", first)
    explicit = is_vr(first[4:6])
    if little in _FIRST_GROUPS:
        return Encoding(explicit)
    return Encoding(explicit, big_endian=True) if explicit and big in _FIRST_GROUPS else None
