"""Where each bone's surface lies: signed distances, from which share of voxel and joint space follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

STEP_MM = 0.1
# The most that int8 holds in steps of 0.1 mm
REACH_MM = 12.7
# How far outside of a bone its distance is known: a joint that closes, a coarse voxel's half
MARGIN_MM = 8.0
# The voxels' steps are smoothed away with this many voxels; each voxel keeps its side of the surface
SMOOTHING = 0.7
LEAST_MM = 0.1


@dataclass(frozen=True, eq=False)
class Surfaces:
    """Distances of each voxel to the surfaces of the nearest and the second nearest bone, in 0.1 mm, positive
    inside; `owner` is the nearest bone's value, 0 where none is near.
    """

    first: NDArray[np.int8]
    second: NDArray[np.int8]
    owner: NDArray[np.uint8]


def bone_surfaces(bones: NDArray[np.uint8], spacing_mm: float) -> Surfaces:
    """The surfaces of bones labelled 1, 2, ...; every bone has its own, where two touch too."""
    far = np.int8(round(-REACH_MM / STEP_MM))
    found = Surfaces(np.full(bones.shape, far), np.full(bones.shape, far), np.zeros_like(bones))
    margin = int(np.ceil(MARGIN_MM / spacing_mm))
    for value, box in enumerate(ndimage.find_objects(bones), start=1):
        if box is not None:
            grown = tuple(slice(max(s.start - margin, 0), s.stop + margin) for s in box)
            add_bone(found, value, grown, signed_distance(bones[grown] == value, spacing_mm))
    return found


def add_bone(found: Surfaces, value: int, box: tuple[slice, ...], own_mm: NDArray[np.float32]) -> None:
    """Enters one bone where it is the nearest or the second nearest so far."""
    own = np.round(own_mm / STEP_MM).astype(np.int8)
    first, second, owner = found.first[box], found.second[box], found.owner[box]
    nearer = own > first
    second[...] = np.maximum(second, np.where(nearer, first, own))
    owner[nearer & (own > -MARGIN_MM / STEP_MM)] = value
    first[...] = np.maximum(first, own)


def signed_distance(inside: NDArray[np.bool_], spacing_mm: float) -> NDArray[np.float32]:
    """Distance in mm of each voxel's centre to the surface between the voxels, positive inside."""
    half = np.float32(spacing_mm / 2)
    within = edt(np.pad(inside, 1), spacing_mm)[1:-1, 1:-1, 1:-1]
    without = edt(~inside, spacing_mm) if inside.any() else np.full(inside.shape, REACH_MM)
    exact = np.where(inside, within - half, half - without).astype(np.float32)
    smooth = ndimage.gaussian_filter(exact, SMOOTHING, truncate=2.5)
    low, high = np.where(inside, LEAST_MM, -REACH_MM), np.where(inside, REACH_MM, -LEAST_MM)
    result: NDArray[np.float32] = np.clip(smooth, low, high)
    return result


def edt(inside: NDArray[np.bool_], spacing_mm: float) -> NDArray[Any]:
    """Distance in mm to the nearest voxel that is not `inside`."""
    distance: NDArray[Any] = ndimage.distance_transform_edt(inside, sampling=spacing_mm)
    return distance
