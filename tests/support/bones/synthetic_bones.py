"""Synthetic bones on small arrays, for tests of simulated fractures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.fracturing import BrokenModel
from training.simulate.bone_patches import BoneSubject

SPACING_MM = 1.2
MARROW_HU = 300.0


def bone_of(mask: NDArray[np.bool_], marrow_hu: float = MARROW_HU) -> BrokenModel:
    """Returns one intact bone with homogeneous marrow in soft tissue."""
    return BrokenModel(np.where(mask, marrow_hu, 40).astype(np.float32), mask.astype(np.uint8))


def block() -> BrokenModel:
    """Returns a block of 32 x 25 x 25 mm."""
    mask = np.zeros((48, 40, 40), bool)
    mask[10:38, 9:30, 9:30] = True
    return bone_of(mask)


def dumbbell() -> BrokenModel:
    """Returns a bone with two thick ends and a narrow waist at index 30 of the first axis."""
    i, j, k = np.indices((60, 32, 32))
    mask = (j - 16) ** 2 + (k - 16) ** 2 < (4 + 8 * np.abs((i - 30) / 25)) ** 2
    mask[:4], mask[-4:] = False, False
    return bone_of(mask)


def halves(gap: int = 0) -> NDArray[np.uint8]:
    """Returns two fragments that meet at index 10 of the first axis, or leave a gap."""
    fragments = np.zeros((20, 12, 12), np.uint8)
    fragments[2 : 10 - gap, 2:10, 2:10], fragments[10:18, 2:10, 2:10] = 1, 2
    return fragments


def sizes(fragments: NDArray[np.uint8]) -> dict[int, int]:
    """Counts the voxels of each fragment."""
    values, counts = np.unique(fragments[fragments > 0], return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def subject(bone: BrokenModel, textured: bool) -> BoneSubject:
    """Returns a bone as a subject for patches."""
    mask = (bone.fragments > 0).astype(np.float32)
    hu = bone.hu.astype(np.int16) if textured else None
    return BoneSubject("bone", bone.fragments, mask, hu, np.full(3, SPACING_MM))


def pieces(mask: NDArray[np.bool_]) -> int:
    """Counts connected components."""
    return int(ndimage.label(mask)[1])
