"""Decodes one frame's stored values from any supported transfer syntax."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import convert_color_space

from operators.dicom.elements.pixel_element import Span
from operators.dicom.headers.series import StoredPixels
from operators.dicom.pixels.encoded_size import encoded_size, has_end, has_whole_segments, jpeg_precision
from operators.errors import UnreadableError

Stored = NDArray[Any]
# Returns the bytes of a span of a deflated data set
Inflate = Callable[[Path, Span], bytes]

# PS3.5 annex A: transfer syntaxes whose pixels are not compressed, and their byte order.
_BYTE_ORDER = {
    "1.2.840.10008.1.2": "<",
    "1.2.840.10008.1.2.1": "<",
    "1.2.840.10008.1.2.1.99": "<",
    "1.2.840.10008.1.2.2": ">",
}
DEFLATED = "1.2.840.10008.1.2.1.99"
EXTENDED, EXTENDED_BITS = "1.2.840.10008.1.2.4.51", 12
BYTE_BITS = 8
# The pydicom plug-ins that decode the others: permissively licensed ones only (pylibjpeg-libjpeg is GPL).
_PLUGIN = {
    "1.2.840.10008.1.2.4.50": "gdcm",
    "1.2.840.10008.1.2.4.51": "gdcm",
    "1.2.840.10008.1.2.4.57": "gdcm",
    "1.2.840.10008.1.2.4.70": "gdcm",
    "1.2.840.10008.1.2.4.80": "pyjpegls",
    "1.2.840.10008.1.2.4.81": "pyjpegls",
    "1.2.840.10008.1.2.4.90": "pylibjpeg",
    "1.2.840.10008.1.2.4.91": "pylibjpeg",
    "1.2.840.10008.1.2.4.201": "pylibjpeg",
    "1.2.840.10008.1.2.4.202": "pylibjpeg",
    "1.2.840.10008.1.2.4.203": "pylibjpeg",
    # A damaged stream makes pylibjpeg-rle panic past every `except Exception`.
    "1.2.840.10008.1.2.5": "pydicom",
}
# The exceptions that the decoders raise for a damaged stream.
_DECODE_ERRORS = (RuntimeError, ValueError, TypeError, AttributeError, IndexError, EOFError, struct.error)


# A compressed frame is rarely longer than its pixels. One byte of RLE (PS3.5 G.3) may expand to 64, and
# pydicom checks the size only afterwards: a frame may cost at most 128 times its pixels.
LARGEST_SHARE, LARGEST_HEAD_BYTES = 2, 1 << 16


def supported(transfer_syntax_uid: str) -> bool:
    """Returns whether frames in this transfer syntax can be decoded."""
    plugin = _PLUGIN.get(transfer_syntax_uid)
    if plugin is None:
        return transfer_syntax_uid in _BYTE_ORDER
    return plugin in get_decoder(transfer_syntax_uid).available_plugins


def decode(path: Path, pixels: StoredPixels, inflated: Inflate) -> Stored:
    """Decodes one frame; returns stored values (rows, columns). Raises UnreadableError."""
    order = _BYTE_ORDER.get(pixels.transfer_syntax_uid)
    if order is None:
        return _decoded(pixels, b"".join(span.read(path) for span in pixels.spans))
    (span,) = pixels.spans
    kind = "i" if pixels.signed else "u"
    dtype = np.dtype(f"{order}{kind}{pixels.bits_allocated // 8}")
    if pixels.transfer_syntax_uid == DEFLATED:
        content = inflated(path, span)[: pixels.rows * pixels.columns * dtype.itemsize]
        flat = np.frombuffer(content[: len(content) // dtype.itemsize * dtype.itemsize], dtype)
    else:
        flat = np.fromfile(path, dtype, pixels.rows * pixels.columns, offset=span.offset)
    if flat.size != pixels.rows * pixels.columns:
        raise UnreadableError(
            "expected as many pixels as the header announces, got fewer", code="truncated_file"
        )
    return flat.reshape(pixels.rows, pixels.columns)


def decode_colour(path: Path, pixels: StoredPixels, *, planar: bool, inflated: Inflate) -> Stored:
    """(rows, columns, 3) of red, green and blue, 8 bits each; `planar`: one colour behind the other.

    Raises UnreadableError.
    """
    if pixels.transfer_syntax_uid not in _BYTE_ORDER:
        content = b"".join(span.read(path) for span in pixels.spans)
        return _decoded(pixels, content, samples_per_pixel=3, planar_configuration=int(planar), raw=False)
    (span,) = pixels.spans
    content = inflated(path, span) if pixels.transfer_syntax_uid == DEFLATED else span.read(path)
    count = pixels.rows * pixels.columns * 3
    if len(content) < count:
        raise UnreadableError("expected as many pixels as announced, got fewer", code="truncated_file")
    flat = np.frombuffer(content[:count], np.uint8)
    shape = (3, pixels.rows, pixels.columns) if planar else (pixels.rows, pixels.columns, 3)
    values = flat.reshape(shape).transpose(1, 2, 0) if planar else flat.reshape(shape)
    if pixels.photometric == "RGB":
        return values
    return np.asarray(convert_color_space(values, "YBR_FULL", "RGB"))


def _require_decodable(content: bytes, pixels: StoredPixels) -> None:
    """Raises UnreadableError for a stream that no decoder may get: of another size than the header says, or
    damaged so that its decoder would end the process or take very long.
    """
    expected = (pixels.rows, pixels.columns, pixels.samples)
    size = encoded_size(content) or expected
    if size != expected:
        raise UnreadableError(
            f"expected {pixels.rows} rows of {pixels.columns} pixels, got {size[0]} rows of {size[1]}"
            f" in {size[2]} components",
            code="damaged_pixels",
        )
    precision = jpeg_precision(content) or pixels.bits_allocated
    if precision > pixels.bits_allocated:  # gdcm ends the process over some of these
        raise UnreadableError(
            f"expected samples of at most {pixels.bits_allocated} bits, got {precision}",
            code="damaged_pixels",
        )
    if _PLUGIN[pixels.transfer_syntax_uid] == "gdcm" and not has_whole_segments(content):
        text = "expected JPEG segments one behind the other, got other bytes between them"
        raise UnreadableError(text, code="damaged_pixels")
    if _PLUGIN[pixels.transfer_syntax_uid] == "pyjpegls" and not has_end(content):
        raise UnreadableError(
            "expected a whole JPEG-LS stream, got one without its end", code="damaged_pixels"
        )
    sample_bytes = pixels.rows * pixels.columns * pixels.samples * pixels.bits_allocated // 8
    most = LARGEST_SHARE * sample_bytes + LARGEST_HEAD_BYTES
    if len(content) > most:
        raise UnreadableError(
            f"expected a compressed frame of at most {most} bytes, got {len(content)}", code="damaged_pixels"
        )


def _decoded(pixels: StoredPixels, content: bytes, *, raw: bool = True, **more: int) -> Stored:
    decoder = get_decoder(pixels.transfer_syntax_uid)
    _require_decodable(content, pixels)
    plugin = _PLUGIN[pixels.transfer_syntax_uid]
    # gdcm 3.2.6 ends the process over fewer bits in a byte
    whole_byte = plugin == "gdcm" and pixels.bits_allocated == BYTE_BITS
    options: dict[str, Any] = {
        "decoding_plugin": plugin,
        "rows": pixels.rows,
        "columns": pixels.columns,
        "samples_per_pixel": 1,
        "number_of_frames": 1,
        "bits_allocated": pixels.bits_allocated,
        "bits_stored": BYTE_BITS if whole_byte else pixels.bits_stored,
        "pixel_representation": int(pixels.signed),
        "photometric_interpretation": pixels.photometric,
        "pixel_keyword": "PixelData",
        **more,
    }
    try:
        if pixels.transfer_syntax_uid == EXTENDED and jpeg_precision(content) == EXTENDED_BITS:
            return _extended(pixels, content)
        values, _ = decoder.as_array(encapsulate([content]), index=0, raw=raw, **options)
    except _DECODE_ERRORS as error:
        raise UnreadableError("expected decodable pixels, got damaged ones", code="damaged_pixels") from error
    return np.asarray(values)


def _extended(pixels: StoredPixels, content: bytes) -> Stored:
    """JPEG Extended with 12 bits a sample (PS3.5 8.2.1, process 4), of which pydicom asks no decoder.

    gdcm gives the same values as DCMTK.
    """
    import gdcm  # imported where it is needed, as pydicom does: few files are in this transfer syntax

    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(content)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((pixels.columns, pixels.rows, 1))
    image.SetDataElement(element)
    grey = gdcm.PhotometricInterpretation.GetPIType(pixels.photometric)
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(grey))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(EXTENDED)))
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, EXTENDED_BITS, EXTENDED_BITS - 1, int(pixels.signed)))
    values = np.frombuffer(image.GetBuffer().encode("utf-8", "surrogateescape"), "<u2")
    return values.reshape(pixels.rows, pixels.columns)
