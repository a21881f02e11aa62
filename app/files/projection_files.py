"""Reads a radiograph from PNG or JPEG: grey from 0 to 1, bone bright as in the picture."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from operators.errors import UnreadableError, UnsuitableError, reason, shortage
from operators.geometry.projection import Projection
from operators.geometry.value_notes import NO_SPACING, STRETCHED, Note
from operators.intensities.grey_levels import (
    grey_of_colours,
    is_flat,
    levels_of,
    require_contrast,
    require_size,
    stretched,
)
from operators.process.file_names import shown_name

SUFFIXES = (".png", ".jpg", ".jpeg")
FORMATS = ("PNG", "JPEG")
# Grey of 16 bits, as Pillow names it
DEEP = ("I;16", "I;16B", "I;16L", "I;16N", "I")
WHITE = 255
NOTE = Note(NO_SPACING, "The pixel size is unknown, as PNG and JPEG do not state it: lengths are in pixels.")
# What Pillow raises on a file that is none, that is damaged, or that unpacks to more than it may
_PILLOW_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    struct.error,
    zlib.error,
    UnidentifiedImageError,
    Image.DecompressionBombError,
)


def is_projection_file(path: Path) -> bool:
    """Returns whether the file's name says that it is a picture in one of the formats."""
    return path.name.lower().endswith(SUFFIXES) and path.is_file()


def read_projection_file(path: Path) -> Projection:
    """Returns the radiograph of a picture, turned as its EXIF orientation says; what is transparent is black.

    Side, view and body part are not known, nor is the spacing: the pHYs chunk of a PNG and the density of a
    JPEG say at which size to print it, and programs write 72 or 96 dots an inch whatever it shows.
    Raises TransientError, UnreadableError, and UnsuitableError for a picture that is smaller or larger than a
    radiograph (image_size), in colours (colour_image) or without contrast (no_contrast).
    """
    try:
        stored = _stored(path)
    except UnsuitableError:
        raise
    except _PILLOW_ERRORS as error:
        short = shortage(error)
        # Pillow's own sentence names the whole path, and so perhaps a patient
        got = "another file" if isinstance(error, UnidentifiedImageError) else reason(error)
        text = f"expected a PNG or JPEG picture at {shown_name(path.name)}, got: {got}"
        raise short or UnreadableError(text, code="unreadable_picture") from error
    levels = levels_of(stored)
    require_contrast(levels)
    values = levels.values.astype(np.float64)
    notes = [NOTE]
    grey = values / WHITE
    if stored.max() > WHITE or is_flat(grey, levels):
        grey = stretched(values, levels)
        notes.append(Note(STRETCHED, "The contrast is chosen from the values."))
    return Projection(grey.astype(np.float32)[stored - int(levels.values[0])], notes=tuple(notes))


def _stored(path: Path) -> NDArray[np.int32]:
    """Values (rows, columns): up to 255, or up to 65,535 of a deep picture."""
    with Image.open(path, formats=FORMATS) as image:
        columns, rows = image.size
        require_size(rows, columns)
        frames = getattr(image, "n_frames", 1)
        if image.format == "PNG" and frames > 1:
            raise UnsuitableError(f"expected one picture, got {frames} frames", code="multi_frame")
        image.load()
        turned = ImageOps.exif_transpose(image)
        if turned.mode in DEEP:
            return np.asarray(turned).astype(np.int32) & 0xFFFF
        return _grey(turned).astype(np.int32)


def _grey(image: Image.Image) -> NDArray[np.uint8] | NDArray[np.uint16]:
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))
    if image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        image = image.convert("RGB")
    if image.mode != "RGB" or "transparency" in image.info:
        opaque = image.convert("RGBA")
        black = Image.new("RGBA", opaque.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, opaque).convert("RGB")
    return grey_of_colours(np.asarray(image))
