"""Computes checksums of an instance's pixels, read in small parts at the place that the header gives."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian

from operators.dicom.elements.attributes import hint, required
from operators.dicom.elements.encoding import NATIVE
from operators.dicom.elements.inflation import open_inflated, read_inflated_span
from operators.dicom.elements.pixel_element import Span
from operators.dicom.headers.headers import Header
from operators.dicom.headers.stored_pixels import FrameSpans, spans_of, stored_pixels
from operators.dicom.pixels.decoding import decode
from operators.errors import UnreadableError

_PART_BYTES = 1 << 20


def has_same_pixels(first: Header, first_path: Path, second: Header, second_path: Path) -> bool:
    """Returns whether two instances hold the same stored values, in any transfer syntax; False if either is
    damaged.

    Raises UnreadableError if the transfer syntaxes differ and one cannot be decoded, OSError.
    """
    if first.damage or second.damage:
        return False
    if first.pixels is None or second.pixels is None:
        return first.pixels is second.pixels
    if first.transfer_syntax_uid == second.transfer_syntax_uid:
        return _digest(_as_stored(first, first_path)) == _digest(_as_stored(second, second_path))
    return _digest(_values(first, first_path)) == _digest(_values(second, second_path))


def _digest(parts: Iterable[bytes]) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()


def _as_stored(header: Header, path: Path) -> Iterator[bytes]:
    """Yields all bytes; for compressed pixels each fragment after its length."""
    assert header.pixels is not None
    if header.pixels.native is not None:
        yield from _bytes(header, path, header.pixels.native)
    for fragment in header.pixels.fragments:
        yield fragment.length.to_bytes(4, "little")
        yield from _bytes(header, path, fragment)


def _values(header: Header, path: Path) -> Iterator[bytes]:
    """Yields the stored values of all frames as unsigned little endian integers of BitsAllocated bits."""
    frames = spans_of(header, hint((header.dataset,), "SOPClassUID"))
    bits_allocated = required((header.dataset,), "BitsAllocated")
    if bits_allocated not in (8, 16, 32):
        raise UnreadableError(f"expected 8, 16 or 32 bits allocated, got {bits_allocated}")
    kind = np.dtype(f"u{bits_allocated // 8}")
    if header.transfer_syntax_uid not in NATIVE:
        yield from _decoded(header, path, frames, kind.newbyteorder("<"))
    elif frames:
        (first,), (last,) = frames[0], frames[-1]
        wanted = Span(first.offset, last.offset + last.length - first.offset)
        swap = header.transfer_syntax_uid == ExplicitVRBigEndian
        for part in _bytes(header, path, wanted):
            yield np.frombuffer(part, kind).byteswap().tobytes() if swap else part


def _decoded(
    header: Header, path: Path, frames: FrameSpans, kind: np.dtype[np.unsignedinteger]
) -> Iterator[bytes]:
    for spans in frames:
        pixels = stored_pixels((header.dataset,), header.transfer_syntax_uid, spans)
        yield decode(path, pixels, read_inflated_span).astype(kind).tobytes()


def _bytes(header: Header, path: Path, span: Span) -> Iterator[bytes]:
    """Yields the bytes of a span of the (inflated) file, in parts."""
    if header.transfer_syntax_uid == DeflatedExplicitVRLittleEndian:
        with open_inflated(path) as stream:
            if stream.reaches(span.offset):
                yield from stream.parts(span.offset + span.length)
        return
    with path.open("rb") as file:
        file.seek(span.offset)
        left = span.length
        while left and (part := file.read(min(left, _PART_BYTES))):
            left -= len(part)
            yield part
