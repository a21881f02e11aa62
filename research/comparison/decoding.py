"""From a network's probabilities to fragments, the same way for every encoding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.fragments.watershed import large_enough, with_nearest

Array = NDArray[np.float32]
Labels = NDArray[np.uint16]
Mask = NDArray[np.bool_]

MINIMUM_MM3 = 200.0
# Smaller places of interior or core are noise, no fragment's own
SEED_MM3 = 30.0
# How sure of interior or core a seed is; a hole in the contact joins two fragments where it is surer
THRESHOLDS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95)


def decoded(classes: Array, outline: Mask, spacing_mm: float) -> list[Labels]:
    """For each threshold, the components of what fragments hold, grown over the outline to the nearest.

    `classes` (3, I, J, K): the last parts fragments, the one before it is what they hold.
    """
    share = classes[1] / np.maximum(classes[1] + classes[2], np.float32(1e-6))
    return [grown(outline & (share > threshold), outline, spacing_mm) for threshold in THRESHOLDS]


def grown(core: Mask, outline: Mask, spacing_mm: float) -> Labels:
    """Each voxel's nearest component of `core`; the whole bone where there is none."""
    seeds, count = ndimage.label(core, output=np.int32)
    sizes = np.bincount(seeds.ravel(), minlength=count + 1)
    seeds[sizes[seeds] < SEED_MM3 / spacing_mm**3] = 0
    if not seeds.any():
        return outline.astype(np.uint16)
    nearest = ndimage.distance_transform_edt(seeds == 0, return_distances=False, return_indices=True)
    return tidy(np.where(outline, seeds[tuple(nearest)], 0).astype(np.uint16), spacing_mm)


def tidy(labels: Labels, spacing_mm: float) -> Labels:
    """Pieces too small to be fragments go to their neighbours; numbered 1, 2, ... on a background of 0."""
    kept = large_enough(labels, MINIMUM_MM3 / spacing_mm**3)
    values, number = np.unique(with_nearest(labels, kept), return_inverse=True)
    shift = int(values[0] > 0)
    return (number + shift).reshape(labels.shape).astype(np.uint16)
