"""Measures the heights of a vertebral body in its own axes, and the density of the bone inside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.geometry.volume import CtVolume, Grid
from operators.measure.vertebral.body_axes import BodyAxes, body_axes

Points = NDArray[np.float64]
Mask = NDArray[np.bool_]

STEP_MM = 0.5
# Smoothing in voxels that hides their steps, and the level of the surface
SMOOTHING, SURFACE = 0.6, 0.5
# Sections of the body from its front (0) to its back (1), after Genant et al., J Bone Miner Res 1993;8:1137
SECTIONS = {"anterior": (0.05, 0.25), "middle": (0.4, 0.6), "posterior": (0.75, 0.95)}
# Heights are measured in a band about the middle of the body, of this share of its half width
BAND = 0.3
GREATEST_MM = 70.0
# Trabecular bone: the middle of the body from side to side, front to back and in height, away from the cortex
# and from the vein at the back
SIDE, FRONT, BACK, HEIGHT, WALL_MM = 0.5, 0.15, 0.65, 0.25, 3.0


@dataclass(frozen=True, eq=False)
class BodyShape:
    """A vertebral body: its axes, its front and back along `axes.back` in mm, and its heights in mm."""

    axes: BodyAxes
    front_mm: float
    back_mm: float
    heights_mm: dict[str, float]


def body_shape(mask: Mask, grid: Grid) -> BodyShape | None:
    """Returns the shape of the vertebral body in a mask (I, J, K); None where it cannot be told."""
    axes = body_axes(mask, grid)
    if axes is None:
        return None
    field = ndimage.gaussian_filter(np.pad(mask, 2).astype(np.float32), SMOOTHING)
    inside = sample(field, grid, axes)
    depth = run_at(inside.mean(axis=0) >= SURFACE, (inside.shape[1] // 2, inside.shape[2] // 2))
    if depth is None:
        return None
    front_mm, back_mm = (STEP_MM * (n - inside.shape[1] // 2) for n in depth)
    heights = {name: height_mm(inside, depth, section) for name, section in SECTIONS.items()}
    if any(height is None for height in heights.values()):
        return None
    return BodyShape(axes, front_mm, back_mm, {name: h for name, h in heights.items() if h is not None})


def sample(field: NDArray[np.float32], grid: Grid, axes: BodyAxes) -> NDArray[np.float32]:
    """Returns the share of bone (X, Y, Z) in steps of STEP_MM along the body's axes, in the band measured."""
    across = np.arange(-BAND * axes.half_width_mm, BAND * axes.half_width_mm + STEP_MM, STEP_MM)
    along = np.arange(-GREATEST_MM / 2, GREATEST_MM / 2 + STEP_MM, STEP_MM)
    points = np.stack(np.meshgrid(across, along, along, indexing="ij"), axis=-1)
    ijk = grid.to_ijk(axes.to_lps(points)) + 2
    found: NDArray[np.float32] = ndimage.map_coordinates(field, np.moveaxis(ijk, -1, 0), order=1, cval=0.0)
    return found


def run_at(inside: Mask, middle: tuple[int, int]) -> tuple[int, int] | None:
    """Returns the first and last index along Y that are bone without a gap from the middle (Y, Z)."""
    level = slice(middle[1] - 3, middle[1] + 4)
    row = inside[:, level].mean(axis=1) >= 0.5
    if not row[middle[0]]:
        return None
    free = np.flatnonzero(~row)
    before, after = free[free < middle[0]], free[free > middle[0]]
    return int(before[-1]) + 1 if len(before) else 0, int(after[0]) - 1 if len(after) else len(row) - 1


def height_mm(
    inside: NDArray[np.float32], depth: tuple[int, int], section: tuple[float, float]
) -> float | None:
    """Returns the median height of a section of the body, of columns that run without a gap."""
    first, last = (round(depth[0] + share * (depth[1] - depth[0])) for share in section)
    columns = inside[:, first : last + 1].reshape(-1, inside.shape[2])
    middle = inside.shape[2] // 2
    found = [column_mm(column, middle) for column in columns if column[middle] >= SURFACE]
    return float(np.median(found)) if found else None


def column_mm(column: NDArray[np.float32], middle: int) -> float:
    """Returns the length of the run of bone about the middle of a column, to a part of a step."""
    up, down = column[middle:], column[middle::-1]
    return STEP_MM * float(sum(edge_of(half) for half in (up, down)))


def edge_of(half: NDArray[np.float32]) -> float:
    """Returns the index at which values first fall below the surface's, between two steps."""
    outside = np.flatnonzero(half < SURFACE)
    if not len(outside):
        return float(len(half) - 1)
    after = int(outside[0])
    high, low = float(half[after - 1]), float(half[after])
    return after - 1 + (high - SURFACE) / (high - low)


def trabecular_hu(shape: BodyShape, mask: Mask, grid: Grid, volume: CtVolume) -> float | None:
    """Returns the median HU of the trabecular bone in the middle of a body; None where there is too little.

    `mask` is of the whole bone on `grid`; the volume has the same axes, or any.
    """
    axes, height = shape.axes, min(shape.heights_mm.values())
    depth = shape.back_mm - shape.front_mm
    across = np.arange(-SIDE * axes.half_width_mm, SIDE * axes.half_width_mm + 1, 1.0)
    along = np.arange(shape.front_mm + FRONT * depth, shape.front_mm + BACK * depth, 1.0)
    levels = np.arange(-HEIGHT * height, HEIGHT * height + 0.5, 1.0)
    points = axes.to_lps(np.stack(np.meshgrid(across, along, levels, indexing="ij"), axis=-1).reshape(-1, 3))
    wall = ndimage.distance_transform_edt(np.pad(mask, 1), sampling=grid.spacing_mm)
    deep = value_at(wall, points, grid, 1) >= WALL_MM
    if np.count_nonzero(deep) < 100:
        return None
    return float(np.median(value_at(volume.hu, points[deep], volume.grid, 0)))


def value_at(array: NDArray[np.generic], points: Points, grid: Grid, pad: int) -> Points:
    """Returns the values of an array, padded by so many voxels around its grid, at points (N, 3) LPS."""
    ijk = grid.to_ijk(points) + pad
    found: Points = ndimage.map_coordinates(array, ijk.T, output=np.float64, order=1, mode="nearest")
    return found
