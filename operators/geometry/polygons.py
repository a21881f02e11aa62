"""Closed contours on slices as labelled voxels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from skimage.draw import polygon


def filled(contours: Sequence[NDArray[np.float64]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """(I, J) the voxels whose centre lies inside; each contour is (N, 2) in array indices.

    By the even-odd rule, so that a contour within another one is a hole, and a contour that turns
    back on itself through a channel of no width (PS3.3 C.8.8.6.3) is its hole's rim too.
    """
    inside = np.zeros(shape, dtype=np.bool_)
    for contour in contours:
        i, j = polygon(contour[:, 0], contour[:, 1], shape)
        inside[i, j] ^= True
    return inside
