"""Converts stored values to Hounsfield units."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from operators.dicom.headers.series import StoredPixels

# Pixels outside the scanner's field of view are set to air.
AIR_HU = -1024
_LIMITS = np.iinfo(np.int16)


def to_hu(stored: NDArray[Any], pixels: StoredPixels) -> NDArray[np.int16]:
    """Converts stored values to Hounsfield units, rounded and clipped to int16; padding becomes air."""
    values = _without_overlay(stored, pixels)
    hu = _rescaled(values, pixels.slope, pixels.intercept)
    if pixels.padding is not None:
        low, high = pixels.padding
        padded = (stored >= low) & (stored <= high) if low < high else stored == low
        hu[padded | (values == low)] = AIR_HU
    return hu


def _rescaled(values: NDArray[Any], slope: float, intercept: float) -> NDArray[np.int16]:
    if slope != 1 or not intercept.is_integer():
        exact = np.rint(values * np.float64(slope) + np.float64(intercept))
        return np.clip(exact, _LIMITS.min, _LIMITS.max).astype(np.int16)
    shift = int(intercept)
    if _LIMITS.min <= int(values.min()) + shift and int(values.max()) + shift <= _LIMITS.max:
        # Overflow wraps around and back: 16 bits suffice if the result fits.
        return np.add(values.astype(np.int16), np.array(shift).astype(np.int16), dtype=np.int16)
    return np.clip(values.astype(np.int64) + shift, _LIMITS.min, _LIMITS.max).astype(np.int16)


def _without_overlay(stored: NDArray[Any], pixels: StoredPixels) -> NDArray[Any]:
    """Removes the bits beside the value, where old files keep overlays (PS3.5 8.1.1, retired)."""
    native = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    spare = pixels.bits_allocated - pixels.bits_stored
    if not 0 < spare < pixels.bits_allocated:
        return native
    return np.asarray((native << (spare - pixels.shift)) >> spare)
