"""Degrades a scan: thick slices, noise, a field of view that ends inside the bones."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from benchmarks.accuracy.cases.scan import Scan, axis_along, scan_of
from operators.geometry.volume import Box, Grid

# Standard deviation in voxels of the image plane: a soft reconstruction filter correlates noise
NOISE_WIDTH = 0.6
LOWEST_HU, HIGHEST_HU = -1024, 3071  # 12 stored bits, as CT writes them


def thick_slices(scan: Scan, slices: int) -> Scan:
    """Averages every `slices` (odd) neighbouring slices; the ground truth is that of the middle one."""
    axis, _ = axis_along(scan.grid, 2)
    count = scan.grid.shape[axis] // slices
    whole = [slice(None)] * 3
    whole[axis] = slice(0, count * slices)
    shape = list(scan.grid.shape)
    shape[axis : axis + 1] = [count, slices]
    means = scan.ct.hu[tuple(whole)].reshape(shape).mean(axis=axis + 1)
    middle = [slice(None)] * 3
    middle[axis] = slice(slices // 2, count * slices, slices)
    labels = np.ascontiguousarray(scan.truth.labels[tuple(middle)])
    return scan_of(np.rint(means).astype(np.int16), labels, thick_grid(scan.grid, axis, slices, count))


def thick_grid(grid: Grid, axis: int, slices: int, count: int) -> Grid:
    """Returns the grid of the middle slices."""
    affine = grid.ijk_to_lps.copy()
    affine[:3, 3] += affine[:3, axis] * (slices // 2)
    affine[:3, axis] *= slices
    i, j, k = (count if a == axis else n for a, n in enumerate(grid.shape))
    return Grid((i, j, k), affine, grid.frame_of_reference_uid)


def noise(scan: Scan, sd_hu: float) -> Scan:
    """Adds quantum noise with a standard deviation of `sd_hu` to the scan's own noise."""
    white = np.random.default_rng(0).standard_normal(scan.grid.shape, dtype=np.float32)
    axis, _ = axis_along(scan.grid, 2)
    widths = [0.0 if a == axis else NOISE_WIDTH for a in range(3)]
    smooth = ndimage.gaussian_filter(white, widths)
    hu = scan.ct.hu + smooth * np.float32(sd_hu / smooth.std())
    return scan_of(stored_hu(hu), scan.truth.labels, scan.grid)


def stored_hu(hu: np.ndarray) -> np.ndarray:
    """Returns Hounsfield units as a scanner stores them."""
    return np.rint(np.clip(hu, LOWEST_HU, HIGHEST_HU)).astype(np.int16)


def cut(scan: Scan, direction: int, from_far_end: bool, share: float = 1 / 3) -> Scan:
    """Removes a `share` of the bones' extent along x, y or z (0, 1, 2).

    It removes the left, posterior or superior end with `from_far_end`, otherwise the opposite end.
    """
    axis, forwards = axis_along(scan.grid, direction)
    others = tuple(a for a in range(3) if a != axis)
    bone = np.flatnonzero(scan.truth.labels.any(axis=others))
    lost = round((bone[-1] + 1 - bone[0]) * share)
    start, stop = [0, 0, 0], list(scan.grid.shape)
    if from_far_end == forwards:
        stop[axis] = int(bone[-1]) + 1 - lost
    else:
        start[axis] = int(bone[0]) + lost
    box = Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
    return scan_of(scan.ct.hu[box.slices], scan.truth.labels[box.slices], scan.grid.crop(box))
