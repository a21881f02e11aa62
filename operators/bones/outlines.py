"""Outlines bones on the voxels of the scan, moved to the visible edge of the cortex."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.bones.regions import BoneRegion
from operators.geometry.resampling import covering_box, interpolate_mask, interpolate_scalar, resample_hu
from operators.geometry.volume import Box, CtVolume, Grid
from operators.packages.coarse_to_fine import OutlineRules

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

# The range of soft tissue (fat -120, muscle and blood 80, more with contrast medium), without gas and metal
SOFT_TISSUE_HU = (-200.0, 200.0)
SHELL_VOXELS = 3
# About 10 mm: wider than a lump of fat beside the bone, narrower than the variations of the bone itself
MEAN_VOXELS = 7
LEAST_SHARE = 0.02
# Twice the noise of a usual scan: a smaller step from tissue to bone does not count as an edge
LEAST_CONTRAST_HU = 50.0


@dataclass(frozen=True, eq=False)
class OutlinedBone:
    """A bone and its voxels `inside` (I, J, K) in the block `box` of the source grid."""

    region: BoneRegion
    inside: Mask
    box: Box


@dataclass(frozen=True, eq=False)
class Doubt:
    """Where a network's outline may be off by one voxel: `sure` is bone, `possible` may be; (I, J, K)."""

    inside: Mask
    sure: Mask
    possible: Mask

    def only_where(self, seen: Mask) -> Doubt:
        """Restricts the doubt to voxels where an edge can be seen."""
        return Doubt(self.inside, self.sure | (self.inside & ~seen), self.possible & (self.inside | seen))


def outline_bone(source: CtVolume, region: BoneRegion, rules: OutlineRules | None) -> OutlinedBone | None:
    """Returns the bone on the source's voxels; None if the source does not reach it.

    Moves the outline to the scan's own edge, by at most one voxel of the network. Without `rules` it stays
    where the network's margin changes sign.
    """
    box = covering_box(source.grid, region.grid)
    if box is None:
        return None
    block = source.grid.crop(box)
    if rules is None:
        return OutlinedBone(region, interpolate_scalar(region.margin, region.grid, block, -1.0) > 0, box)
    doubt = doubt_of(region)
    hu = resample_hu(source, region.grid).hu.astype(np.float32, copy=False)
    tissue, cortex = soft_tissue_hu(hu, doubt), cortex_hu(hu, doubt)
    doubt = doubt.only_where(cortex - tissue > LEAST_CONTRAST_HU)
    edge_hu = tissue + np.float32(rules.edge) * (cortex - tissue)
    bright = source.hu[box.slices] >= interpolate_scalar(edge_hu, region.grid, block, SOFT_TISSUE_HU[1])
    return OutlinedBone(region, trace_surface(doubt, bright, region.grid, block), box)


def doubt_of(region: BoneRegion) -> Doubt:
    """Extends doubt by one voxel of the network to both sides of its outline, but never into another bone."""
    inside = region.margin > 0
    return Doubt(inside, ~spread(~inside), spread(inside) & ~region.rivals)


def soft_tissue_hu(hu: Array, doubt: Doubt) -> Array:
    """Returns for each voxel the local mean HU of the soft tissue around the bone."""
    beyond = spread(doubt.possible)
    shell = beyond
    for _ in range(SHELL_VOXELS):
        shell = spread(shell)
    low, high = SOFT_TISSUE_HU
    return mean_near(hu, shell & ~beyond & (hu > low) & (hu < high))


def cortex_hu(hu: Array, doubt: Doubt) -> Array:
    """Returns for each voxel the local mean HU of the cortex, taken from the brightest voxels near the
    outline.

    The scanner's blur dims a thin or poor cortex, so that no single threshold fits a whole skeleton.
    """
    brightest = ndimage.maximum_filter(np.where(doubt.possible, hu, np.float32(SOFT_TISSUE_HU[0])), 3)
    return mean_near(brightest, doubt.inside & ~doubt.sure)


def mean_near(values: Array, where: Mask) -> Array:
    """Returns for each voxel the mean of the nearby `values` at `where`, or of all if none is near."""
    weight = ndimage.uniform_filter(where.astype(np.float32), MEAN_VOXELS)
    total = ndimage.uniform_filter(np.where(where, values, np.float32(0)), MEAN_VOXELS)
    overall = np.float32(total.sum() / max(float(weight.sum()), 1e-6))
    near: Array = np.where(weight > LEAST_SHARE, total / np.maximum(weight, np.float32(LEAST_SHARE)), overall)
    return near


def trace_surface(doubt: Doubt, bright: Mask, grid: Grid, block: Grid) -> Mask:
    """Returns the mask of the bone on `block`: removes doubtful dark voxels reached from outside, keeps
    marrow behind cortex.

    Bright voxels count only if they are connected to the bone; noise and vessels nearby are not.
    """
    possible = interpolate_mask(doubt.possible, grid, block)
    level = interpolate_scalar(doubt.inside.astype(np.float32) + doubt.sure, grid, block, 0.0)
    steps = ceil(2 * max(grid.spacing_mm) / min(block.spacing_mm))
    dark = possible & ~bright & (level <= 1.5)
    bone = possible & ~spread_within(~possible, dark, steps)
    return spread_within(bone & (level > 0.5), bone, steps)


def spread_within(start: Mask, where: Mask, steps: int) -> Mask:
    """Returns `start` and the voxels it reaches within `steps` steps through `where`."""
    reached = start.copy()
    for _ in range(steps):
        step = spread(reached)
        step &= where
        reached |= step
    return reached


def spread(mask: Mask) -> Mask:
    """Returns the mask and its neighbours over faces, by slices: scipy's dilation takes ten times as long."""
    wider = mask.copy()
    for axis in range(mask.ndim):
        low = (*(slice(None),) * axis, slice(None, -1))
        high = (*(slice(None),) * axis, slice(1, None))
        wider[low] |= mask[high]
        wider[high] |= mask[low]
    return wider
