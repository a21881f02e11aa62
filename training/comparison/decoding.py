"""From a network's probabilities to fragments, the two ways that are compared."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.imaging.fragments import FractureEvidence, by_size, large_enough, over_segmented, with_nearest
from operators.imaging.packages import FragmentRules

Array = NDArray[np.float32]
Labels = NDArray[np.uint16]
Mask = NDArray[np.bool_]

MINIMUM_MM3 = 200.0
# Smaller places of interior or core are noise, no fragment's own
SEED_MM3 = 30.0
RULES = FragmentRules("watershed_and_merge", MINIMUM_MM3, 0.7, (0.0, 0.0, 0.0, 0.0))
THRESHOLDS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


def merged(classes: Array, outline: Mask, spacing_mm: float) -> list[Labels]:
    """Basins, joined while the mean of what parts them over their face is below each threshold."""
    nothing = np.zeros_like(outline)
    regions = over_segmented(FractureEvidence(outline, nothing, classes[1], classes[2], spacing_mm), RULES)
    found = []
    for threshold in THRESHOLDS:
        joined = deepcopy(regions)
        joined.merge(lambda face, _: face.mean, below(threshold))
        labels = np.zeros(outline.shape, np.uint16)
        labels[outline] = joined.of_voxels() + 1
        found.append(tidy(labels, spacing_mm))
    return found


def below(most: float) -> Callable[[float, int, int], bool]:
    """Whether a face's mean is low enough for the two beside it to be joined."""
    return lambda mean, _a, _b: mean < most


def watershed(classes: Array, outline: Mask, spacing_mm: float) -> list[Labels]:
    """Components of where the share of what fragments hold is above each threshold, grown by watershed."""
    share = classes[1] / np.maximum(classes[1] + classes[2], np.float32(1e-6))
    relief = np.where(outline, np.rint(255 * (1 - share)), 255).astype(np.uint8)
    return [flooded(relief, outline & (share > threshold), outline, spacing_mm) for threshold in THRESHOLDS]


def flooded(relief: NDArray[np.uint8], core: Mask, outline: Mask, spacing_mm: float) -> Labels:
    """Fragments grown from the components of `core`; the whole bone where there is none."""
    markers, count = ndimage.label(core, output=np.int32)
    sizes = np.bincount(markers.ravel(), minlength=count + 1)
    markers[sizes[markers] < SEED_MM3 / spacing_mm**3] = 0
    if not markers.any():
        return outline.astype(np.uint16)
    markers[~outline] = -1
    grown = ndimage.watershed_ift(relief, markers)
    labels = np.where(outline & (grown > 0), grown, 0).astype(np.uint16)
    return tidy(labels, spacing_mm)


def tidy(labels: Labels, spacing_mm: float) -> Labels:
    """Pieces too small to be fragments go to their neighbours; numbered by size."""
    kept = large_enough(labels, MINIMUM_MM3 / spacing_mm**3)
    return by_size(with_nearest(labels, kept))


DECODINGS: dict[str, Callable[[Array, Mask, float], list[Labels]]] = {
    "merge": merged,
    "watershed": watershed,
}
