"""The form of a bone, coarsely: where it is thin, flat, hollow or pointed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.fracturing.bone import Mask
from training.fracturing.surfaces import Vector

Points = NDArray[np.float64]

STEP = 2
# Wide enough to see past the bone's grain, narrow enough to see a hollow of a few centimetres
FULLNESS_MM = 6.0


@dataclass(frozen=True, eq=False)
class Shape:
    """Points in mm from the array's first voxel.

    `inside` (N, 3) all through the bone; on its surface (M, 3) `surface`, outward unit `normals`
    and `fullness` (M,), the share of bone around: about 0.5 on a flat face, more in a hollow, less on a tip.
    """

    inside: Points
    surface: Points
    normals: Points
    fullness: NDArray[np.float32]

    def near(self, point: Vector, reach_mm: float) -> Points:
        """Returns the inside's points around one."""
        return self.inside[((self.inside - point) ** 2).sum(axis=1) < reach_mm**2]


def shape_of(whole: Mask, spacing_mm: float) -> Shape:
    """Returns the form of one piece of bone."""
    step_mm = STEP * spacing_mm
    # Carried on past the border, where a patch ends and the bone does not
    coarse = np.pad(whole[::STEP, ::STEP, ::STEP], 1, mode="edge")
    # The smallest pieces may have no voxel on the coarse grid
    coarse = coarse if coarse.any() else np.ones_like(coarse)
    full = ndimage.gaussian_filter(coarse.astype(np.float32), FULLNESS_MM / step_mm, mode="nearest")
    face = coarse & ~ndimage.binary_erosion(coarse, border_value=1)
    inside = np.argwhere(inner(coarse))
    at = np.argwhere(inner(face)) if inner(face).any() else inside
    fall = -np.stack([inner(slope)[tuple(at.T)] for slope in np.gradient(full)], axis=1).astype(np.float64)
    normals = fall / np.maximum(np.linalg.norm(fall, axis=1, keepdims=True), 1e-9)
    fullness = inner(full)[tuple(at.T)]
    return Shape(inside.astype(np.float64) * step_mm, at.astype(np.float64) * step_mm, normals, fullness)


def inner(padded: NDArray[Any]) -> NDArray[Any]:
    """Returns an array without its outermost voxels."""
    return padded[1:-1, 1:-1, 1:-1]


def axes_of(points: Points) -> tuple[Vector, Points]:
    """Returns the centre of points and their principal axes (3, 3) as rows, the longest first."""
    centre = points.mean(axis=0)
    spread = (points - centre).T @ (points - centre)
    return centre, np.linalg.eigh(spread)[1].T[::-1]
