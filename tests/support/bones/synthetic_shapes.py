"""Solids with known volume, surface, gaps and movements, drawn on a grid."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from operators.geometry.volume import Grid, LabelMap

Points = NDArray[np.float64]
Solid = Callable[[Points], NDArray[np.bool_]]


def grid_around(extent_mm: tuple[float, float, float], spacing_mm: tuple[float, float, float]) -> Grid:
    """Returns a grid centred on the origin with axes along LPS; `extent_mm` is its size."""
    shape = tuple(int(np.ceil(extent / step)) for extent, step in zip(extent_mm, spacing_mm, strict=True))
    affine = np.diag([*spacing_mm, 1.0])
    affine[:3, 3] = -np.array(spacing_mm) * (np.array(shape) - 1) / 2
    return Grid((shape[0], shape[1], shape[2]), affine, "1.2.4")


def points_of(grid: Grid) -> Points:
    """Returns the centres of all voxels (I, J, K, 3), LPS."""
    voxels = np.moveaxis(np.indices(grid.shape), 0, -1)
    centres: Points = voxels @ grid.ijk_to_lps[:3, :3].T + grid.ijk_to_lps[:3, 3]
    return centres


def sphere(radius_mm: float) -> Solid:
    return lambda points: np.linalg.norm(points, axis=-1) <= radius_mm


def box(low_mm: tuple[float, ...], high_mm: tuple[float, ...]) -> Solid:
    return lambda points: np.all((points >= low_mm) & (points <= high_mm), axis=-1)


def left_bone(points: Points) -> NDArray[np.bool_]:
    """Returns a bone on the patient's left, without any rotational or mirror symmetry."""
    parts = (
        ((40.0, 0.0, 0.0), (16.0, 9.0, 28.0)),
        ((50.0, 12.0, 18.0), (12.0, 16.0, 8.0)),
        ((32.0, -10.0, -18.0), (9.0, 15.0, 9.0)),
    )
    inside = [(((points - centre) / radii) ** 2).sum(axis=-1) <= 1 for centre, radii in parts]
    return np.any(inside, axis=0)


def mirrored(solid: Solid) -> Solid:
    """Mirrors a solid to the patient's right."""
    return lambda points: solid(points * (-1, 1, 1))


def moved(solid: Solid, turn: Rotation, centre: Points, shift: Points) -> Solid:
    """Rotates a solid about a centre, then shifts it."""
    return lambda points: solid((points - centre - shift) @ turn.as_matrix() + centre)


def drawn(grid: Grid, solids: dict[int, Solid]) -> LabelMap:
    """Draws each solid with its label value; later ones overwrite."""
    points, labels = points_of(grid), np.zeros(grid.shape, np.uint8)
    for value, solid in solids.items():
        labels[solid(points)] = value
    return LabelMap(labels, grid)
