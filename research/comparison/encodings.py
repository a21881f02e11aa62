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
    """Names of the classes, their weights in the cross-entropy, and how targets are made.

    `encode` takes the fragments and the contact target of one patch. The last class parts fragments,
    the one before it is what they hold.
    """

    classes: tuple[str, str, str]
    class_weights: tuple[float, float, float]
    encode: Callable[[Labels, Labels], Labels]


def contact(_: Labels, contact_target: Labels) -> Labels:
    """Interior and contact surface, as the product has it."""
    return contact_target


def border_core(fragments: Labels, contact_target: Labels) -> Labels:
    """1 core, 2 border: the outermost voxels of every fragment, and the gaps between.

    Adaptive (Kornreich et al. 2022): where a fragment is too thin to have anything else, its
    middle is core.
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
