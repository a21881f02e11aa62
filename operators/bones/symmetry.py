"""Finds the plane in which a body is its own mirror image, from the voxels of its bones."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.geometry.distance import distance_mm

Points = NDArray[np.float64]
STEP_MM = 4.0
# Larger distances count the same, so that voxels without a counterpart (a fragment that moved, a bone cut by
# the scan) do not pull at the plane
CAP_MM = 12.0
MOST_POINTS = 4000
TURNS_DEG = (-30.0, -20.0, -10.0, 0.0, 10.0, 20.0, 30.0)
SHIFTS_MM = (-20.0, -10.0, 0.0, 10.0, 20.0)
FIRST_STEPS = np.array([5.0, 5.0, 5.0])


def mirror_plane(points_lps: Points) -> tuple[NDArray[np.float64], float]:
    """Returns the unit normal (towards the patient's left) and the offset in mm of the plane that best
    mirrors voxels (N, 3).

    The best plane has the smallest mean distance, capped, from the mirror image of a voxel to the nearest
    voxel; the patient may lie turned by up to 30 degrees. A search of coarse poses is refined by Nelder and
    Mead's method.
    """
    from scipy import optimize  # slow to import, and needed where both sides are in view alone

    centre = points_lps.mean(axis=0)
    low = points_lps.min(axis=0) - CAP_MM
    away = distances(points_lps, low)
    some = points_lps[:: max(len(points_lps) // MOST_POINTS, 1)] - centre

    def cost(pose: NDArray[np.float64]) -> float:
        normal = normal_of(pose)
        mirrored = some - 2 * np.outer(some @ normal - pose[2], normal)
        at = (mirrored + centre - low) / STEP_MM
        return float(ndimage.map_coordinates(away, at.T, order=1, mode="nearest").mean())

    first = np.array(min(product(TURNS_DEG, TURNS_DEG, SHIFTS_MM), key=lambda pose: cost(np.array(pose))))
    simplex = np.vstack([first, first + np.diag(FIRST_STEPS)])
    options = {"initial_simplex": simplex, "xatol": 0.1, "fatol": 1e-3}
    pose = optimize.minimize(cost, first, method="Nelder-Mead", options=options).x
    normal = normal_of(pose)
    return normal, float(centre @ normal + pose[2])


def normal_of(pose: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the unit vector to the left of a patient turned by `pose[:2]` degrees, back and head."""
    normal = np.array([1.0, np.tan(np.radians(pose[0])), np.tan(np.radians(pose[1]))])
    unit: NDArray[np.float64] = normal / np.linalg.norm(normal)
    return unit


def distances(points_lps: Points, low: NDArray[np.float64]) -> NDArray[np.float32]:
    """Returns the capped distance in mm to the nearest point, on a grid from `low` that holds all points."""
    indices = np.rint((points_lps - low) / STEP_MM).astype(int)
    there = np.zeros(indices.max(axis=0) + 1 + int(CAP_MM // STEP_MM), bool)
    there[tuple(indices.T)] = True
    return np.minimum(distance_mm(~there, (STEP_MM,) * 3), np.float32(CAP_MM))
