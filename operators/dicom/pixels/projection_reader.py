"""Reads the pixels of one radiograph: grey from 0 to 1, with bone bright."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import ExplicitVRBigEndian

from operators.dicom.elements.attributes import hint
from operators.dicom.elements.inflation import read_inflated_span
from operators.dicom.headers.anatomy import (
    body_part,
    directions,
    laterality,
    procedure,
    side_notes,
    view,
)
from operators.dicom.headers.projection_spacing import projection_spacing
from operators.dicom.headers.series import Fault, Frame, Series, StoredPixels
from operators.dicom.pixels.decoding import Stored, decode, decode_colour, supported
from operators.dicom.pixels.grey_pipeline import present, response_of
from operators.errors import UnreadableError, UnsuitableError, shortage
from operators.geometry.projection import Projection
from operators.geometry.value_notes import HIGH_BIT, LEFT_ALIGNED, Note
from operators.intensities.grey_levels import grey_of_colours, levels_of, require_contrast, require_size

GREY = ("MONOCHROME1", "MONOCHROME2")
# PS3.3 C.7.6.3.1.2: of those with three samples, what pydicom makes red, green and blue of
COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT")
BITS_ALLOCATED = (8, 16)
# PS3.5 7.1.2: where the VR of Pixel Data stands before its value
VR_BEFORE = 8

Values = NDArray[np.int32]


def read_projection(series: Series) -> Projection:
    """Returns the radiograph of a series that `Series.is_projection` holds of.

    Grey comes by the Modality LUT, the VOI LUT and the polarity of the header. Values of a detector, and
    those without a usable window, are stretched between percentiles, which a note says.
    Raises TransientError, UnreadableError, and UnsuitableError for an image that is smaller or larger than a
    radiograph (image_size), in colours (colour_image) or without contrast (no_contrast).
    """
    pixels = require_projection(series)
    stored = _stored(series, pixels)
    pixels = _as_grey(pixels)
    values, notes = _values(stored, pixels)
    padded = _padding(stored, values, pixels)
    levels = levels_of(values, padded, response_of(pixels, series.header))
    require_contrast(levels)
    presented = present(levels, pixels, series.header)
    grey = presented.grey.astype(np.float32)[values - int(levels.values[0])]
    if padded is not None:
        grey[padded] = 0
    sources = (series.header,)
    spacing, spacing_notes = projection_spacing(series.header)
    return Projection(
        grey,
        spacing,
        laterality(sources),
        view(sources),
        body_part(sources),
        (*notes, *presented.notes, *spacing_notes, *side_notes(sources)),
        procedure(sources),
        directions(sources),
    )


def _stored(series: Series, pixels: StoredPixels) -> Stored:
    try:
        return _decoded(series.frames[0], pixels, series)
    except OSError as error:
        short = shortage(error)
        raise short or UnreadableError("expected a file that can be read, got none") from error


def require_projection(series: Series) -> StoredPixels:
    """Returns how the pixels of a radiograph that can be read are stored.

    Raises UnreadableError and UnsuitableError before anything is decoded.
    """
    if series.fault is not None or series.grid is None:
        fault = series.fault or Fault("no_grid", "expected a grid, got none")
        raise UnreadableError(fault.text, code=fault.code)
    (frame,) = series.frames
    pixels = frame.pixels
    if pixels is None:
        raise UnreadableError("expected pixels, got a frame without", code="no_image")
    require_size(pixels.rows, pixels.columns)
    _require_photometric(pixels)
    allocated = (8,) if pixels.samples == 3 else BITS_ALLOCATED
    if pixels.bits_allocated not in allocated:
        text = f"expected {' or '.join(map(str, allocated))} bits allocated, got {pixels.bits_allocated}"
        raise UnreadableError(text, code="bad_bits_allocated")
    if not supported(pixels.transfer_syntax_uid):
        text = f"expected a supported transfer syntax, got {pixels.transfer_syntax_uid}"
        raise UnreadableError(text, code="unsupported_transfer_syntax")
    # BitsStored, or all that are allocated where it is none that can be
    return pixels if pixels.bits_stored >= 1 else replace(pixels, bits_stored=pixels.bits_allocated)


def _require_photometric(pixels: StoredPixels) -> None:
    if pixels.photometric == "PALETTE COLOR":
        raise UnsuitableError("expected a grey image, got a palette of colours", code="colour_image")
    wanted = {1: GREY, 3: COLOURS}.get(pixels.samples, ())
    if pixels.photometric not in wanted:
        text = f"expected grey in one sample, got {pixels.samples} in {pixels.photometric or 'nothing named'}"
        raise UnreadableError(text, code="bad_photometric_interpretation")


def _decoded(frame: Frame, pixels: StoredPixels, series: Series) -> Stored:
    """Stored values (rows, columns) in native byte order; of a picture in colours, its grey."""
    if pixels.samples == 3:
        planar = hint((series.header,), "PlanarConfiguration") == "1"
        colours = decode_colour(frame.path, pixels, planar=planar, inflated=read_inflated_span)
        return grey_of_colours(colours)
    stored = decode(frame.path, pixels, read_inflated_span)
    if _is_swapped(frame, pixels):
        stored = _swapped(stored)
    if stored.shape != (pixels.rows, pixels.columns) or stored.dtype.kind not in "iu":
        raise UnreadableError("expected rows and columns of whole numbers, got others", code="damaged_pixels")
    return stored


def _is_swapped(frame: Frame, pixels: StoredPixels) -> bool:
    """Returns whether 8-bit pixels lie in words of big endian, each two in reverse (PS3.5 A.3, 8.1.2)."""
    if pixels.transfer_syntax_uid != ExplicitVRBigEndian or pixels.bits_allocated != 8:
        return False
    with frame.path.open("rb") as file:
        file.seek(pixels.spans[0].offset - VR_BEFORE)
        return file.read(2) == b"OW"


def _swapped(stored: Stored) -> Stored:
    flat = np.append(stored.ravel(), np.zeros(stored.size % 2, stored.dtype))
    return flat.reshape(-1, 2)[:, ::-1].ravel()[: stored.size].reshape(stored.shape)


def _as_grey(pixels: StoredPixels) -> StoredPixels:
    if pixels.samples == 1:
        return pixels
    return replace(pixels, samples=1, photometric="MONOCHROME2", bits_stored=8, high_bit=7, signed=False)


def _values(stored: Stored, pixels: StoredPixels) -> tuple[Values, tuple[Note, ...]]:
    """Values without the bits beside them, in which old files keep overlays (PS3.5 8.1.1, retired)."""
    bits = pixels.bits_stored
    notes: tuple[Note, ...] = ()
    unsigned = stored.astype(np.int32)
    unsigned &= (1 << pixels.bits_allocated) - 1
    shift = 0 if pixels.high_bit is None else pixels.high_bit + 1 - bits
    if not 0 <= shift <= pixels.bits_allocated - bits:
        text = f"HighBit {pixels.high_bit} does not fit BitsStored {bits}: the lowest bits are taken."
        shift, notes = 0, (Note(HIGH_BIT, text),)
    elif shift and int(unsigned.max()) >= 1 << bits:
        notes = (Note(LEFT_ALIGNED, f"Values lie {shift} bits above the lowest and are moved there."),)
    else:
        shift = 0
    unsigned >>= shift
    unsigned &= (1 << bits) - 1
    if pixels.signed:
        unsigned[unsigned >= 1 << (bits - 1)] -= 1 << bits
    return unsigned, notes


def _padding(stored: Stored, values: Values, pixels: StoredPixels) -> NDArray[np.bool_] | None:
    """Returns which pixels are padding (PS3.3 C.7.5.1.1.2); None where there is none."""
    if pixels.padding is None:
        return None
    low, high = pixels.padding
    padded = ((stored >= low) & (stored <= high)) | (values == low)
    return padded if padded.any() else None
