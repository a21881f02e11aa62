"""Decodes a network's probabilities into fragments, identically for every encoding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.fragments.watershed import large_enough, with_nearest

Array = NDArray[np.float32]
Labels = NDArray[np.uint16]
Mask = NDArray[np.bool_]

MINIMUM_MM3 = 200.0
# Smaller components of interior or core are noise
SEED_MM3 = 30.0
# Probabilities of interior or core from which a voxel is a seed; lower ones let gaps in the contact join two
# fragments
THRESHOLDS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95)


def decoded(classes: Array, outline: Mask, spacing_mm: float) -> list[Labels]:
    """Returns for each threshold the components of the fragments' class, grown over the outline.

    `classes` (3, I, J, K): the last one separates fragments, the one before is inside them.
    """
    share = classes[1] / np.maximum(classes[1] + classes[2], np.float32(1e-6))
    return [grown(outline & (share > threshold), outline, spacing_mm) for threshold in THRESHOLDS]


def grown(core: Mask, outline: Mask, spacing_mm: float) -> Labels:
    """Returns each voxel's nearest component of `core`; one fragment for the whole bone if there is none."""
    seeds, count = ndimage.label(core, output=np.int32)
    sizes = np.bincount(seeds.ravel(), minlength=count + 1)
    seeds[sizes[seeds] < SEED_MM3 / spacing_mm**3] = 0
    if not seeds.any():
        return outline.astype(np.uint16)
    nearest = ndimage.distance_transform_edt(seeds == 0, return_distances=False, return_indices=True)
    return tidy(np.where(outline, seeds[tuple(nearest)], 0).astype(np.uint16), spacing_mm)


def tidy(labels: Labels, spacing_mm: float) -> Labels:
    """Merges pieces that are too small into their neighbours; numbers fragments 1, 2, ..., background 0."""
    kept = large_enough(labels, MINIMUM_MM3 / spacing_mm**3)
    values, number = np.unique(with_nearest(labels, kept), return_inverse=True)
    shift = int(values[0] > 0)
    return (number + shift).reshape(labels.shape).astype(np.uint16)
