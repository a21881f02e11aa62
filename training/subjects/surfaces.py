"""Signed distances to the bones' surfaces, from which partial volume and joint spaces follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

STEP_MM = 0.1
# Largest int8 in steps of 0.1 mm
REACH_MM = 12.7
# Known distance outside a bone: enough for a closing joint and half of a coarse voxel
MARGIN_MM = 8.0
# Width in voxels of the smoothing that hides the voxels' steps; each voxel keeps its side of the surface
SMOOTHING = 0.7
LEAST_MM = 0.1


@dataclass(frozen=True, eq=False)
class Surfaces:
    """Distances of each voxel to the surfaces of the nearest and the second nearest bone.

    In steps of 0.1 mm, positive inside; `owner` is the nearest bone's value, 0 where none is near.
    """

    first: NDArray[np.int8]
    second: NDArray[np.int8]
    owner: NDArray[np.uint8]


def bone_surfaces(bones: NDArray[np.uint8], spacing_mm: float) -> Surfaces:
    """Returns the surfaces of bones labelled 1, 2, ...; touching bones keep a surface each."""
    far = np.int8(round(-REACH_MM / STEP_MM))
    found = Surfaces(np.full(bones.shape, far), np.full(bones.shape, far), np.zeros_like(bones))
    margin = int(np.ceil(MARGIN_MM / spacing_mm))
    for value, box in enumerate(ndimage.find_objects(bones), start=1):
        if box is not None:
            grown = tuple(slice(max(s.start - margin, 0), s.stop + margin) for s in box)
            add_bone(found, value, grown, signed_distance(bones[grown] == value, spacing_mm))
    return found


def add_bone(found: Surfaces, value: int, box: tuple[slice, ...], own_mm: NDArray[np.float32]) -> None:
    """Adds one bone in place where it is the nearest or the second nearest so far."""
    own = np.round(own_mm / STEP_MM).astype(np.int8)
    first, second, owner = found.first[box], found.second[box], found.owner[box]
    nearer = own > first
    second[...] = np.maximum(second, np.where(nearer, first, own))
    owner[nearer & (own > -MARGIN_MM / STEP_MM)] = value
    first[...] = np.maximum(first, own)


def signed_distance(inside: NDArray[np.bool_], spacing_mm: float) -> NDArray[np.float32]:
    """Returns the distance in mm of each voxel's centre to the surface between voxels, positive inside."""
    half = np.float32(spacing_mm / 2)
    within = edt(np.pad(inside, 1), spacing_mm)[1:-1, 1:-1, 1:-1]
    without = edt(~inside, spacing_mm) if inside.any() else np.full(inside.shape, REACH_MM)
    exact = np.where(inside, within - half, half - without).astype(np.float32)
    smooth = ndimage.gaussian_filter(exact, SMOOTHING, truncate=2.5)
    low, high = np.where(inside, LEAST_MM, -REACH_MM), np.where(inside, REACH_MM, -LEAST_MM)
    return np.clip(smooth, low, high)


def edt(inside: NDArray[np.bool_], spacing_mm: float) -> NDArray[Any]:
    """Returns the distance in mm to the nearest voxel that is not `inside`."""
    return ndimage.distance_transform_edt(inside, sampling=spacing_mm)
