"""Measures the distance between the surfaces of two masks, and finds the voxels near a fracture.

`steps_mm` is always the 3x3 matrix whose columns are one step along each array axis, in mm
(`grid.ijk_to_lps[:3, :3]`, or a diagonal of spacings), so that sheared grids are measured correctly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, find_objects, generate_binary_structure
from scipy.spatial import cKDTree

from operators.evaluation.metrics import Agreement

Mask = NDArray[np.bool_]
Points = NDArray[np.float64]

# Fragments closer than this face each other across a fracture: the contact band of PENGWIN 2026's ABBC entry
# (github.com/RURUGURU/pengwin2026-task1-abbc, contact_search_mm).
CONTACT_MM = 3.0
# PENGWIN 2026: Dice within 20 mm of the fracture surface.
LOCAL_MM = 20.0


def agreement(iou: float, truth: Points, prediction: Points) -> Agreement:
    """Returns the agreement of two surfaces, neither of which is empty, from exact distances of each point to
    the nearest of the other set: the 95th percentile, the greater of both directions, and the mean of both
    means.
    """
    there, _ = cKDTree(prediction).query(truth)
    back, _ = cKDTree(truth).query(prediction)
    hd95_mm = max(np.percentile(there, 95), np.percentile(back, 95))
    return Agreement(iou, float(hd95_mm), float((there.mean() + back.mean()) / 2))


def surface_points(mask: Mask, steps_mm: Points) -> Points:
    """Returns a mask's surface voxels (N, 3), in mm from voxel 0: those with a face outside mask or array."""
    if not mask.any():
        return np.empty((0, 3))
    box = find_objects(mask.view(np.uint8))[0]
    inside = mask[box]
    surface = inside & ~binary_erosion(inside, generate_binary_structure(3, 1))
    start = np.array([edge.start for edge in box])
    return np.asarray((np.argwhere(surface) + start) @ steps_mm.T, dtype=np.float64)


def radius_mm(surface: Points, mask: Mask, steps_mm: Points) -> float:
    """Returns the distance from the mask's centroid to its farthest voxel centre, which is on the surface."""
    centroid = np.argwhere(mask).mean(axis=0) @ steps_mm.T
    return float(np.linalg.norm(surface - centroid, axis=1).max())


def fracture_points(surfaces: list[Points], steps_mm: Points) -> Points:
    """Returns the surface points (N, 3) of fragments that face another one: within 3 mm, or touching it."""
    reach_mm = max(CONTACT_MM, float(np.linalg.norm(steps_mm)))
    facing = [_facing(surfaces, n, reach_mm) for n in range(len(surfaces))]
    return np.concatenate([np.empty((0, 3)), *facing])


def _facing(surfaces: list[Points], n: int, reach_mm: float) -> Points:
    others = np.concatenate([np.empty((0, 3)), *surfaces[:n], *surfaces[n + 1 :]])
    if not len(others):
        return others
    distance_mm, _ = cKDTree(others).query(surfaces[n], distance_upper_bound=reach_mm)
    facing: Points = surfaces[n][np.isfinite(distance_mm)]
    return facing


def near(mask: Mask, points: Points, steps_mm: Points, within_mm: float = LOCAL_MM) -> NDArray[np.intp]:
    """Returns the flat indices of the voxels of `mask` at most `within_mm` from the nearest point."""
    flat: NDArray[np.intp] = np.flatnonzero(mask)
    if not len(points):
        return flat[:0]
    voxels = np.stack(np.unravel_index(flat, mask.shape), axis=1) @ steps_mm.T
    low, high = points.min(axis=0) - within_mm, points.max(axis=0) + within_mm
    boxed = ((voxels >= low) & (voxels <= high)).all(axis=1)
    distance_mm, _ = cKDTree(points).query(voxels[boxed], distance_upper_bound=within_mm * (1 + 1e-9))
    close: NDArray[np.intp] = flat[boxed][np.isfinite(distance_mm)]
    return close


def dice(truth: Mask, prediction: Mask) -> float | None:
    """Returns Dice, 2 |A and B| / (|A| + |B|), of masks of any shape; None if both are empty."""
    voxels = np.count_nonzero(truth) + np.count_nonzero(prediction)
    return 2 * np.count_nonzero(truth & prediction) / voxels if voxels else None
