"""Surfaces through a bone, as signed heights above them: plane or curved, rough at several scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.sampling import Array, smooth_noise

Vector = NDArray[np.float64]

# From the waves of a whole bone down to about three voxels of the network's grid, each half the last
WAVELENGTHS_MM = (30.0, 15.0, 7.5, 3.75)


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane through a point in mm from an array's first voxel, with a unit normal.

    A `local` one cuts the bone only where it is met at that point, not further on.
    """

    through_mm: Vector
    normal: Vector
    local: bool = False


@dataclass(frozen=True)
class Roughness:
    """How far in mm a surface leaves its plane, how much of that each shorter wave keeps, how it bows."""

    waves_mm: float
    kept: float
    bow_per_mm: float = 0.0


def unit(vector: Vector) -> Vector:
    """`vector` at length 1."""
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


def direction(rng: np.random.Generator) -> Vector:
    """Any direction."""
    return unit(rng.standard_normal(3))


def across(rng: np.random.Generator, axis: Vector) -> Vector:
    """Any direction square to `axis`."""
    any_way = rng.standard_normal(3)
    return unit(any_way - axis * (any_way @ axis))


def draw_roughness(rng: np.random.Generator) -> Roughness:
    """Smooth to ragged. Broken bone is a fractal of dimension 2.1 to 2.4: waves of half the length have
    a half to two thirds of the height. Two in five bow, with a radius of 2.5 to 15 cm.
    """
    bow = rng.choice((-1, 1)) / rng.uniform(25, 150) if rng.random() < 0.4 else 0.0
    return Roughness(rng.uniform(0.3, 4.0), rng.uniform(0.45, 0.68), bow)


def height_mm(
    rng: np.random.Generator, plane: Plane, shape: tuple[int, ...], spacing_mm: float, rough: Roughness
) -> Array:
    """Returns the signed height in mm of every voxel above the rough surface along `plane`."""
    height = distance_along(plane.normal, plane.through_mm, shape, spacing_mm)
    if rough.bow_per_mm:
        side = across(rng, plane.normal)
        height += rough.bow_per_mm / 2 * distance_along(side, plane.through_mm, shape, spacing_mm) ** 2
    return height + fractal(rng, shape, spacing_mm, rough)


def away_mm(height: Array, spacing_mm: float) -> Array:
    """Returns how far voxels near a surface are from it: a rough one's heights rise faster."""
    steep = np.sqrt(sum(slope**2 for slope in np.gradient(height, np.float32(spacing_mm))))
    return np.abs(height) / np.maximum(steep, np.float32(0.5))


def distance_along(axis: Vector, from_mm: Vector, shape: tuple[int, ...], spacing_mm: float) -> Array:
    """Returns how far in mm every voxel lies along `axis` from a point."""
    grids = np.ogrid[tuple(slice(0, n) for n in shape)]
    return distance_of(axis, from_mm, [grid * spacing_mm for grid in grids])


def distance_of(
    axis: NDArray[np.floating], from_mm: Sequence[float] | Vector, places_mm: Sequence[NDArray[np.floating]]
) -> Array:
    """Returns distances in mm along `axis` from a point; `places_mm` has an array for each coordinate."""
    parts = [
        ((place - start) * part).astype(np.float32, copy=False)
        for place, start, part in zip(places_mm, from_mm, axis, strict=True)
    ]
    return parts[0] + parts[1] + parts[2]


def fractal(rng: np.random.Generator, shape: tuple[int, ...], spacing_mm: float, rough: Roughness) -> Array:
    """Noise in mm at several scales."""
    total, height = np.zeros(shape, np.float32), rough.waves_mm
    for wavelength in WAVELENGTHS_MM:
        points = max(2, round(max(shape) * spacing_mm / wavelength) + 1)
        total += np.float32(height) * smooth_noise(rng, shape, points)
        height *= rough.kept
    return total
