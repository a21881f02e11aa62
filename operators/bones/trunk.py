"""Finds the bones of the midline, which tell the side of a limb's bones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.geometry.volume import Grid

Array = NDArray[np.float32]
Points = NDArray[np.float64]

# In real CTs, sacra and spines have 50 ml or more and a mean probability of 0.87 to 0.95; what was taken for
# them in knees and beside raised arms has 0.73 at most
LEAST_ML, LEAST_MEAN = 20.0, 0.8


def trunk_points(winner: NDArray[np.intp], probabilities: Array, grid: Grid, middle: list[int]) -> Points:
    """Returns the centres (N, 3), LPS mm, of the voxels of bones of the midline that are there without doubt.

    `winner` (I, J, K) is the likeliest class of `probabilities` (classes, I, J, K) on `grid`; `middle` are
    the numbers of the unpaired bones.
    """
    found = np.isin(winner, middle)
    pieces, count = ndimage.label(found)
    numbers = np.arange(1, count + 1)
    ml = ndimage.sum_labels(found, pieces, numbers) * grid.voxel_volume_mm3 / 1000
    mean = ndimage.mean(probabilities[middle].max(axis=0), pieces, numbers) if count else ml
    sure = numbers[(ml >= LEAST_ML) & (np.asarray(mean) >= LEAST_MEAN)]
    return grid.to_lps(np.argwhere(np.isin(pieces, sure)))
