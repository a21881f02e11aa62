"""Fills closed contours on slices with voxels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from skimage.draw import polygon


def filled(contours: Sequence[NDArray[np.float64]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Returns the voxels (I, J) whose centres lie inside; each contour is (N, 2) in array indices.

    The even-odd rule applies, so that a contour within another one is a hole, and a contour that returns
    through a channel of zero width (PS3.3 C.8.8.6.3) includes its hole's rim.
    """
    inside = np.zeros(shape, dtype=np.bool_)
    for contour in contours:
        i, j = polygon(contour[:, 0], contour[:, 1], shape)
        inside[i, j] ^= True
    return inside
