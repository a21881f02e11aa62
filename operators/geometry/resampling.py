"""Interpolates between grids, sheared ones too: from index to index, through patient space."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from operators.geometry.volume import Box, CtVolume, Grid, slabs

AIR_HU = -1024


def isotropic_grid(source: Grid, spacing_mm: tuple[float, ...]) -> Grid:
    """Returns a grid whose axes run to left, posterior and superior and which holds all of `source`."""
    corners = np.array(np.meshgrid(*((-0.5, n - 0.5) for n in source.shape), indexing="ij")).reshape(3, -1)
    lps = source.ijk_to_lps[:3, :3] @ corners + source.ijk_to_lps[:3, 3:]
    return grid_between(lps.min(axis=1), lps.max(axis=1), spacing_mm, source.frame_of_reference_uid)


def grid_between(
    low_mm: NDArray[np.float64],
    high_mm: NDArray[np.float64],
    spacing_mm: tuple[float, ...],
    frame_of_reference_uid: str,
) -> Grid:
    """Returns a grid along left, posterior, superior whose voxels fill the block between corners (LPS)."""
    spacing = np.array(spacing_mm, dtype=np.float64)
    shape = np.maximum(np.ceil((high_mm - low_mm) / spacing - 1e-6).astype(int), 1)
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = (low_mm + high_mm) / 2 - spacing * (shape - 1) / 2
    return Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine, frame_of_reference_uid)


def covering_box(grid: Grid, other: Grid, margin: int = 2) -> Box | None:
    """Returns the box of `grid` that `other` reaches, with a margin in voxels; None if they do not meet."""
    corners = np.array(np.meshgrid(*((-0.5, n - 0.5) for n in other.shape), indexing="ij")).reshape(3, -1)
    lps = other.ijk_to_lps[:3, :3] @ corners + other.ijk_to_lps[:3, 3:]
    inverse = grid.lps_to_ijk
    ijk = inverse[:3, :3] @ lps + inverse[:3, 3:]
    start = np.clip(np.floor(ijk.min(axis=1)).astype(int) - margin, 0, grid.shape)
    stop = np.clip(np.ceil(ijk.max(axis=1)).astype(int) + 1 + margin, 0, grid.shape)
    if (stop <= start).any():
        return None
    return Box((int(start[0]), int(start[1]), int(start[2])), (int(stop[0]), int(stop[1]), int(stop[2])))


def resample_hu(volume: CtVolume, target: Grid) -> CtVolume:
    """Resamples `volume` to `target`: float32, linear, finer source voxels averaged first, air outside."""
    box = covering_box(volume.grid, target, margin=4)
    if box is None:
        return CtVolume(np.full(target.shape, AIR_HU, np.float32), target)
    part, grid = volume.hu[box.slices], volume.grid.crop(box)
    factors = shrink_factors(grid, target)
    image = SimpleITK.GetImageFromArray(part.transpose(2, 1, 0))
    if max(factors) > 1:
        image, grid = shrink(image, grid, factors)
    return CtVolume(interpolate(image, grid, target, AIR_HU, SimpleITK.sitkLinear), target)


def shrink_factors(source: Grid, target: Grid) -> tuple[int, ...]:
    """Returns the number of voxels to average along each source axis before interpolating: half the step."""
    step = np.abs(source.lps_to_ijk[:3, :3] @ target.ijk_to_lps[:3, :3]).max(axis=1)
    return tuple(int(max(1, min(round(s / 2), n))) for s, n in zip(step, source.shape, strict=True))


def shrink(image: SimpleITK.Image, grid: Grid, factors: tuple[int, ...]) -> tuple[SimpleITK.Image, Grid]:
    """Returns means over blocks of voxels, and their grid; an incomplete last block repeats the edge."""
    missing = [-n % f for n, f in zip(image.GetSize(), factors, strict=True)]
    smaller = SimpleITK.BinShrink(SimpleITK.ZeroFluxNeumannPad(image, [0, 0, 0], missing), list(factors))
    affine = grid.ijk_to_lps.copy()
    centre = np.array([*((f - 1) / 2 for f in factors), 1.0])
    affine[:3, 3] = (grid.ijk_to_lps @ centre)[:3]
    affine[:3, :3] = grid.ijk_to_lps[:3, :3] * np.array(factors)
    i, j, k = smaller.GetSize()
    smaller.SetSpacing((1.0, 1.0, 1.0))
    smaller.SetOrigin((0.0, 0.0, 0.0))
    return smaller, Grid((i, j, k), affine, grid.frame_of_reference_uid)


def interpolate_scalar(
    values: NDArray[np.float32], source: Grid, target: Grid, outside: float
) -> NDArray[np.float32]:
    """Interpolates a scalar field, such as a probability, linearly on another grid."""
    image = SimpleITK.GetImageFromArray(values.transpose(2, 1, 0))
    return interpolate(image, source, target, outside, SimpleITK.sitkLinear)


def interpolate_mask(
    mask: NDArray[np.bool_] | NDArray[np.uint8], source: Grid, target: Grid
) -> NDArray[np.bool_]:
    """Interpolates a mask linearly on another grid: True above a half, False outside."""
    image = SimpleITK.GetImageFromArray(mask.astype(np.uint8).transpose(2, 1, 0))
    inside = np.empty(target.shape, np.bool_)
    for slab, moved in moved_slabs(image, source, target, 0.0, SimpleITK.sitkLinear):
        np.greater(moved, 0.5, out=inside[slab.slices])
    return inside


def interpolate(
    image: SimpleITK.Image, source: Grid, target: Grid, outside: float, how: int
) -> NDArray[np.float32]:
    """Interpolates an image in index space of `source` on `target`; returns float32 (I, J, K)."""
    whole = np.empty(target.shape, np.float32)
    for slab, moved in moved_slabs(image, source, target, outside, how):
        whole[slab.slices] = moved
    return whole


def moved_slabs(
    image: SimpleITK.Image, source: Grid, target: Grid, outside: float, how: int
) -> Iterator[tuple[Box, NDArray[np.float32]]]:
    """Interpolates an image in index space of `source` on `target`; yields the box and the voxels, float32,
    of each slab.

    In slabs, as ITK's image and a whole array of it would take memory twice. The affines go into the
    transform and not into the image, as ITK's directions cannot shear.
    """
    matrix = source.lps_to_ijk @ target.ijk_to_lps
    transform = SimpleITK.AffineTransform(3)
    transform.SetMatrix(matrix[:3, :3].ravel().tolist())
    transform.SetTranslation(matrix[:3, 3].tolist())
    for slab in slabs(target.shape):
        start, size = [float(n) for n in slab.start], [int(n) for n in slab.shape]
        index_space = (start, (1.0, 1.0, 1.0), ())
        moved = SimpleITK.Resample(
            image, size, transform, how, *index_space, float(outside), SimpleITK.sitkFloat32
        )
        yield slab, array_of(moved)


def array_of(image: SimpleITK.Image) -> NDArray[np.float32]:
    """Returns the voxels (I, J, K) of an image, as a view that must not outlive it."""
    view: NDArray[np.float32] = SimpleITK.GetArrayViewFromImage(image).transpose(2, 1, 0)
    return view
