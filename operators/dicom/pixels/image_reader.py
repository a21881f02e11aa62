"""Reads the pixels of a series as the type of image that it is."""

from __future__ import annotations

from operators.dicom.headers.series import Series
from operators.dicom.pixels.projection_reader import read_projection
from operators.dicom.pixels.volume_reader import read_volume
from operators.geometry.projection import Image


def read_image(series: Series) -> Image:
    """A radiograph as a Projection, slices as a CtVolume. Raises UnreadableError, UnsuitableError."""
    return read_projection(series) if series.is_projection else read_volume(series)
