"""Finds the bones of the midline, which tell the side of a limb's bones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

# In real CTs, sacra and spines have 50 ml or more and a mean probability of 0.87 to 0.95; what was taken for
# them in knees and beside raised arms has 0.73 at most
LEAST_ML, LEAST_MEAN = 20.0, 0.8


def trunk_voxels(
    winner: NDArray[np.intp], probabilities: Array, voxel_volume_mm3: float, middle: list[int]
) -> Mask:
    """Returns the voxels (I, J, K) of bones of the midline that are there without doubt.

    `winner` (I, J, K) is the likeliest class of `probabilities` (classes, I, J, K); `middle` are the numbers
    of the unpaired bones.
    """
    found = np.isin(winner, middle)
    pieces, count = ndimage.label(found)
    numbers = np.arange(1, count + 1)
    ml = ndimage.sum_labels(found, pieces, numbers) * voxel_volume_mm3 / 1000
    mean = ndimage.mean(probabilities[middle].max(axis=0), pieces, numbers) if count else ml
    sure: Mask = np.isin(pieces, numbers[(ml >= LEAST_ML) & (np.asarray(mean) >= LEAST_MEAN)])
    return sure
