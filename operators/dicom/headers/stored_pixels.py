"""Reads how a header says that pixels are stored, and checks it against the bytes that are there."""

from __future__ import annotations

from pydicom.uid import UID

from operators.dicom.elements.attributes import Sources, code_string, decimal, hint, required, values, whole
from operators.dicom.elements.pixel_element import Span, frame_spans
from operators.dicom.headers.headers import Header
from operators.dicom.headers.series import StoredPixels
from operators.errors import UnreadableError

# With a smaller slope, 16 bits span less than a hundredth of a Hounsfield unit
LEAST_SLOPE = 1e-7
FrameSpans = tuple[tuple[Span, ...], ...]


def spans_of(header: Header, sop_class_uid: str) -> FrameSpans:
    """Returns the byte ranges of each frame; () for an instance without an image. Raises UnreadableError."""
    sources = (header.dataset,)
    if header.damage:
        raise header.damage
    if header.pixels is None:
        # PS3.6 annex A names the SOP classes with Pixel Data "... Image Storage".
        if "Image Storage" in UID(sop_class_uid).name:
            raise UnreadableError(
                "expected pixel data, got a file that ends before them", code="truncated_file"
            )
        return ()
    frames = whole(sources, "NumberOfFrames", 1) or 1
    bits = required(sources, "Rows") * required(sources, "Columns") * required(sources, "BitsAllocated")
    if bits <= 0 or frames < 0:
        raise UnreadableError("expected rows, columns, bits and frames above 0, got 0 or fewer")
    samples = whole(sources, "SamplesPerPixel", 1) or 1
    return frame_spans(header.pixels, frames, (bits * samples + 7) // 8)


def stored_pixels(sources: Sources, transfer_syntax_uid: str, spans: tuple[Span, ...]) -> StoredPixels:
    """Returns how one frame is stored. Raises UnreadableError."""
    bits_allocated = required(sources, "BitsAllocated")
    signed = whole(sources, "PixelRepresentation", 0) == 1
    slope, intercept = decimal(sources, "RescaleSlope"), decimal(sources, "RescaleIntercept")
    if slope is not None and abs(slope) < LEAST_SLOPE:
        raise UnreadableError(f"expected a RescaleSlope other than 0, got {slope:.3g}")
    return StoredPixels(
        transfer_syntax_uid=transfer_syntax_uid,
        spans=spans,
        rows=required(sources, "Rows"),
        columns=required(sources, "Columns"),
        samples=whole(sources, "SamplesPerPixel", 1) or 1,
        photometric=code_string(sources, "PhotometricInterpretation"),
        bits_allocated=bits_allocated,
        bits_stored=min(whole(sources, "BitsStored", bits_allocated) or bits_allocated, bits_allocated),
        signed=signed,
        slope=1.0 if slope is None else slope,
        intercept=intercept or 0.0,
        padding=_padding(sources, bits_allocated, signed),
        high_bit=whole(sources, "HighBit"),
        has_intercept=intercept is not None,
        rescale_type=hint(sources, "RescaleType").upper(),
        has_lut=bool(values(sources, "ModalityLUTSequence")),
    )


def _padding(sources: Sources, bits_allocated: int, signed: bool) -> tuple[int, int] | None:
    """Returns the range from PixelPaddingValue to PixelPaddingRangeLimit, signed like the pixels."""
    value = whole(sources, "PixelPaddingValue")
    if value is None:
        return None
    limit = whole(sources, "PixelPaddingRangeLimit", value)
    low, high = sorted(_as_stored(n, bits_allocated, signed) for n in (value, limit or 0))
    return low, high


def _as_stored(value: int, bits: int, signed: bool) -> int:
    """Reinterprets a value as a pixel: files give padding as US for signed pixels and the reverse."""
    value %= 1 << bits
    return value - (1 << bits) if signed and value >= 1 << (bits - 1) else value
