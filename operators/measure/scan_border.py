"""Measures how much of a bone lies where the scan ends: at its border, or at the circle of reconstruction."""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.geometry.volume import Box, CtVolume, Grid

Mask = NDArray[np.bool_]

# Outlines may end up to a voxel of the network (1.5 mm) before the scan does
BORDER_MM = 2.0
# Least area of bone on the border of the scan; the rim of a crest that ends there has less
CUT_MM2 = 50.0
# Scanners write air or less outside their circle (PS3.3 C.7.5.1.1.2, padding), without any noise
PADDING_HU = -900


def area_on_border_mm2(mask: Mask, box: Box, grid: Grid) -> float:
    """Returns the area of the bone `mask`, which fills the block `box`, on the grid's outermost voxels."""
    area_mm2 = 0.0
    for axis, spacing_mm in enumerate(grid.spacing_mm):
        layers = ceil(BORDER_MM / spacing_mm)
        before = max(layers - box.start[axis], 0)
        behind = max(box.stop[axis] - (grid.shape[axis] - layers), 0)
        along = np.moveaxis(mask, axis, 0)
        for slab in (along[:before], along[len(along) - behind :]):
            area_mm2 += np.count_nonzero(slab.any(axis=0)) * grid.voxel_volume_mm3 / spacing_mm
    return area_mm2


def area_on_circle_mm2(mask: Mask, box: Box, volume: CtVolume) -> float:
    """Returns the area where the bone meets pixels that are the same padding on every slice."""
    around = box.grow_mm(BORDER_MM, volume.grid.spacing_mm, volume.grid.shape)
    i, j, _ = around.slices
    highest = volume.hu[i, j, :].max(axis=2)
    padding = (highest <= PADDING_HU) & (highest == volume.hu[i, j, :].min(axis=2))
    side_mm = min(volume.grid.spacing_mm[:2])
    layers = ceil(BORDER_MM / side_mm)
    near = ndimage.binary_dilation(padding, iterations=layers)
    own = [slice(a - b, a - b + n) for a, b, n in zip(box.start, around.start, box.shape, strict=True)]
    voxels = np.count_nonzero(mask & near[own[0], own[1], None]) / layers
    return voxels * volume.grid.voxel_volume_mm3 / side_mm
