"""Draws new bone shapes between two real ones of the same kind, and slightly beyond them.

Shape-based interpolation (Raya & Udupa 1990) mixes the signed distances to two surfaces. The few bones at
hand do not support a statistical shape model, so shapes vary only between pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.geometry.distance import distance_mm
from training.sampling import Array
from training.simulate.bone_patches import BoneSubject

# Position from the first shape (0) to the second (1): mostly between them, where every shape is plausible
LEAST, MOST = -0.2, 1.2
# Margin around a mixed shape, in voxels
MARGIN = 8
Vector = NDArray[np.float64]


def bones_between(kinds: dict[str, list[BoneSubject]], each: int, seed: int = 0) -> list[BoneSubject]:
    """Returns `each` new shapes, without texture, for every two intact bones of a kind."""
    rng = np.random.default_rng(seed)
    made = []
    for kind, bones in sorted(kinds.items()):
        intact = [bone for bone in bones if not bone.fractured]
        for first, second in combinations(intact, 2):
            for _ in range(each):
                share = float(rng.uniform(LEAST, MOST))
                name = f"{kind} {share:.2f} of {first.name}, {second.name}"
                made.append(between(first, second, share, name))
    return made


def between(first: BoneSubject, second: BoneSubject, share: float, name: str) -> BoneSubject:
    """Interpolates the shape at `share` between the first bone (0) and the second (1).

    Both are oriented as in the body, so they are aligned by their centres and extents along the axes; the
    extents are interpolated too (their logarithms). The voxels are those of the coarser bone.
    """
    bones, weights = (first, second), (1 - share, share)
    places = [placed(bone) for bone in bones]
    extent = places[0].extent ** (1 - share) * places[1].extent ** share
    scales = [extent / place.extent for place in places]
    spacing_mm = np.maximum(first.spacing_mm, second.spacing_mm)
    # Coordinates of the new bone are mm from the common centre
    low = np.min([(p.low - p.centre) * scale for p, scale in zip(places, scales, strict=True)], axis=0)
    high = np.max([(p.high - p.centre) * scale for p, scale in zip(places, scales, strict=True)], axis=0)
    shape = tuple(int(n) for n in np.ceil((high - low) / spacing_mm) + 1 + 2 * MARGIN)
    low = low - MARGIN * spacing_mm
    inside = np.zeros(shape, np.float32)
    for bone, place, scale, weight in zip(bones, places, scales, weights, strict=True):
        # Index of this bone's voxel for each voxel of the new bone
        step = spacing_mm / scale / bone.spacing_mm
        start = (low / scale + place.centre) / bone.spacing_mm
        taken = ndimage.affine_transform(signed_mm(bone), step, start, shape, order=1, mode="nearest")
        inside += np.float32(weight * scale.mean()) * taken
    mask = np.clip(0.5 + inside / np.float32(2 * spacing_mm.mean()), 0, 1).astype(np.float32)
    return BoneSubject(name, (mask >= 0.5).astype(np.uint8), mask, None, spacing_mm)


@dataclass(frozen=True, eq=False)
class Placed:
    """Position of a bone's voxels, in mm from its array's first voxel: mean, standard deviation, box."""

    centre: Vector
    extent: Vector
    low: Vector
    high: Vector


def placed(bone: BoneSubject) -> Placed:
    """Measures the position of a bone's voxels."""
    voxels = np.argwhere(bone.mask >= 0.5) * bone.spacing_mm
    return Placed(voxels.mean(axis=0), voxels.std(axis=0), voxels.min(axis=0), voxels.max(axis=0))


def signed_mm(bone: BoneSubject) -> Array:
    """Returns the distance to the bone's surface, positive inside, half a voxel at the voxels next to it."""
    inside = bone.mask >= 0.5
    spacing = (float(bone.spacing_mm[0]), float(bone.spacing_mm[1]), float(bone.spacing_mm[2]))
    return distance_mm(inside, spacing) - distance_mm(~inside, spacing)
