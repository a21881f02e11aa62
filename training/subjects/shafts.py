"""Where along a long bone a voxel lies: its cortex is thickest, and its marrow fattest, in the middle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

# A bone counts as long where it extends so many times farther along one axis than along the others
LONG = 3.5
EVERY = 2
Shafts = NDArray[np.float32]


def shafts_of(bones: NDArray[np.uint8]) -> Shafts:
    """Returns (256, 4) by bone: the weights of a voxel's index and a constant, whose sum runs from -1 to 1.

    The sum is the place along the bone from one end to the other; of bones that are not long it is 1.
    """
    shafts = np.zeros((256, 4), np.float32)
    shafts[:, 3] = 1
    for value, box in enumerate(ndimage.find_objects(bones), start=1):
        if box is not None:
            start = [part.start for part in box]
            points = np.argwhere(bones[box][::EVERY, ::EVERY, ::EVERY] == value) * EVERY + start
            if len(points) > LONG:
                shafts[value] = along_bone(points.astype(np.float64), shafts[value])
    return shafts


def along_bone(points: NDArray[np.float64], otherwise: Shafts) -> Shafts:
    """Returns the weights of one bone from its voxels (N, 3)."""
    middle = points.mean(axis=0)
    _, extents, axes = np.linalg.svd(np.cov((points - middle).T))
    if extents[0] < LONG**2 * extents[1]:
        return otherwise
    places = (points - middle) @ axes[0]
    half, centre = np.ptp(places) / 2, (places.max() + places.min()) / 2
    return np.array([*axes[0], -(middle @ axes[0]) - centre], np.float32) / np.float32(half)


def shaft_share(
    shafts: Shafts, bones: NDArray[np.uint8], coordinates: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Returns how much each voxel (3, I, J, K) belongs to the middle of a long bone: 0 at its ends to 1."""
    place = shafts[:, 3][bones]
    for axis in range(3):
        place += shafts[:, axis][bones] * coordinates[axis]
    return np.clip(1 - place**4, 0, 1)
