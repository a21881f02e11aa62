"""Linear interpolation from a coarse grid to a fine one along the same axes, axis by axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from operators.geometry.volume import Grid
from training.phantoms.shapes import Field


def fine_positions(coarse: Grid, fine: Grid) -> list[NDArray[np.float64]]:
    """Returns for each axis the coarse index of every fine voxel; both grids must share their directions."""
    step = np.array(fine.spacing_mm) / coarse.spacing_mm
    first = (coarse.lps_to_ijk @ fine.ijk_to_lps[:, 3])[:3]
    return [f + s * np.arange(n) for f, s, n in zip(first, step, fine.shape, strict=True)]


def interpolate(field: Field, positions: Sequence[NDArray[np.float64]]) -> Field:
    """Interpolates the field at the product of three lists of indices; repeats its edge outside."""
    for axis in np.argsort([len(q) / n for q, n in zip(positions, field.shape, strict=True)]):
        field = _along(field, positions[axis], int(axis))
    return field


def _along(field: Field, position: NDArray[np.float64], axis: int) -> Field:
    place = np.clip(position, 0, field.shape[axis] - 1)
    lower = np.minimum(place.astype(int), max(field.shape[axis] - 2, 0))
    shape = [1, 1, 1]
    shape[axis] = -1
    weight = (place - lower).astype(np.float32).reshape(shape)
    below: Field = np.take(field, lower, axis=axis)
    above: Field = np.take(field, np.minimum(lower + 1, field.shape[axis] - 1), axis=axis)
    above -= below
    above *= weight
    above += below
    return above
