"""Encodings of fragments that a network can learn: contact surfaces, or border and core."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class Encoding:
    """Class names, their weights in the cross-entropy, and the function that builds targets.

    `encode` takes the fragments and the contact target of one patch. The last class separates fragments,
    the one before is inside them.
    """

    classes: tuple[str, str, str]
    class_weights: tuple[float, float, float]
    encode: Callable[[Labels, Labels], Labels]


def contact(_: Labels, contact_target: Labels) -> Labels:
    """Encodes interior and contact surface, as in the product."""
    return contact_target


def border_core(fragments: Labels, contact_target: Labels) -> Labels:
    """Encodes 1 core, 2 border: the outermost voxels of every fragment, and the gaps between fragments.

    Adaptive (Kornreich et al. 2022): where a fragment would be all border, its middle is core.
    """
    target = np.where(contact_target > 0, 2, 0).astype(np.uint8)
    for value in np.unique(fragments)[1:]:
        depth = ndimage.distance_transform_edt(fragments == value)
        middle = (depth > 0) & (depth == ndimage.maximum_filter(depth, 3))
        target[(depth > 1) | middle] = 1
    return target


ENCODINGS = {
    "contact": Encoding(("background", "interior", "contact"), (0.3, 0.6, 4.0), contact),
    "border_core": Encoding(("background", "core", "border"), (0.3, 1.0, 1.0), border_core),
}
