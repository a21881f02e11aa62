"""Transfers a label map to another grid, whatever the orientation, extent or shear of either."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, find_objects

from operators.geometry.volume import Box, Grid, LabelMap


def onto_grid(label_map: LabelMap, grid: Grid) -> LabelMap:
    """Returns the labels at `grid`'s voxel centres, by nearest neighbour in patient space, 0 outside."""
    labels = np.zeros(grid.shape, dtype=label_map.labels.dtype)
    low, high = _reach(label_map, grid)
    box = Box(_triple(np.clip(low, 0, grid.shape)), _triple(np.clip(high, 0, grid.shape)))
    if min(box.shape) > 0:
        to_source = label_map.grid.lps_to_ijk @ grid.crop(box).ijk_to_lps
        labels[box.slices] = affine_transform(
            label_map.labels, to_source, output_shape=box.shape, order=0, mode="grid-constant", cval=0
        )
    return LabelMap(labels, grid)


def widen_box(label_map: LabelMap, other: LabelMap) -> LabelMap:
    """Extends the labels' grid until it holds every labelled voxel of `other`."""
    low, high = _reach(other, label_map.grid)
    before = np.maximum(-low, 0)
    after = np.maximum(high - label_map.grid.shape, 0)
    if not (before.any() or after.any()):
        return label_map
    box = Box(_triple(-before), _triple(after + label_map.grid.shape))
    inner = Box(_triple(before), _triple(before + label_map.grid.shape))
    labels = np.zeros(box.shape, dtype=label_map.labels.dtype)
    labels[inner.slices] = label_map.labels
    return LabelMap(labels, label_map.grid.crop(box))


def _reach(label_map: LabelMap, grid: Grid) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Returns the first and one past the last index of `grid`, per axis, that a labelled voxel can reach."""
    found = find_objects((label_map.labels > 0).view(np.uint8))
    if not found:
        return np.zeros(3, dtype=int), np.zeros(3, dtype=int)
    edges = [(edge.start - 0.5, edge.stop - 0.5) for edge in found[0]]
    corners = np.array([[*corner, 1.0] for corner in product(*edges)])
    placed = (corners @ (grid.lps_to_ijk @ label_map.grid.ijk_to_lps).T)[:, :3]
    # A centre on a voxel's edge, apart from rounding, is not reached by the voxel.
    low, high = np.ceil(placed.min(axis=0) - 1e-6), np.floor(placed.max(axis=0) + 1e-6)
    return low.astype(int), high.astype(int) + 1


def _triple(values: NDArray[Any]) -> tuple[int, int, int]:
    i, j, k = (int(value) for value in values)
    return i, j, k
