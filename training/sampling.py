"""Samples a patch from a subject in a random pose, with a single interpolation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Pose:
    """Ranges of rotation, scale and deformation of a patch.

    `bend_mm` is the amplitude of a bend over 1/`bend_points` of the patch, `ripple_mm` of one over half of
    that length; `joint_mm` is how much a joint space opens or closes, `swell_mm` how much a bone's outline
    grows or shrinks, `step_mm` how far the patient moves between two slices.
    """

    rotation_deg: float = 12.0
    scale: float = 0.12
    bend_mm: float = 6.0
    bend_points: int = 5
    ripple_mm: float = 0.0
    joint_mm: float = 0.0
    swell_mm: float = 0.0
    step_mm: float = 0.0


def patch_coordinates(
    rng: np.random.Generator,
    centre: NDArray[np.float64],
    shape: tuple[int, ...],
    spacing_mm: float,
    source_spacing_mm: NDArray[np.float64],
    pose: Pose,
) -> Array:
    """Returns source indices (3, *shape) of every voxel of a patch centred on the source index `centre`."""
    turn = Rotation.from_euler("xyz", rng.uniform(-pose.rotation_deg, pose.rotation_deg, 3), degrees=True)
    scales = 1 + rng.uniform(-pose.scale, pose.scale) + rng.uniform(-pose.scale / 3, pose.scale / 3, 3)
    matrix = ((turn.as_matrix() * (spacing_mm * scales)) / source_spacing_mm[:, None]).astype(np.float32)
    steps = np.ogrid[tuple(slice(-(n - 1) / 2, n / 2) for n in shape)]
    grids = [step.astype(np.float32) for step in steps]
    coordinates = np.empty((3, *shape), np.float32)
    for axis, row in enumerate(matrix):
        line = row[0] * grids[0] + row[1] * grids[1] + (row[2] * grids[2] + np.float32(centre[axis]))
        np.add(line, bend(rng, shape, pose) / np.float32(source_spacing_mm[axis]), out=coordinates[axis])
    if pose.step_mm and rng.random() < STEPS:
        level = int(rng.integers(shape[2]))
        jump = rng.normal(0, pose.step_mm, 2) / source_spacing_mm[:2]
        coordinates[:2, :, :, level:] += jump.astype(np.float32)[:, None, None, None]
    return coordinates


# Share of patches with such a movement: few patients move, and few patches show it
STEPS = 0.03


def bend(rng: np.random.Generator, shape: tuple[int, ...], pose: Pose) -> Array:
    """Returns a smooth displacement in mm over a patch."""
    most_mm, ripple_mm = (np.float32(rng.uniform(0, most)) for most in (pose.bend_mm, pose.ripple_mm))
    displacement_mm: Array = smooth_noise(rng, shape, pose.bend_points) * most_mm
    if pose.ripple_mm:
        displacement_mm += smooth_noise(rng, shape, 2 * pose.bend_points) * ripple_mm
    return displacement_mm


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], points: int) -> Array:
    """Returns noise (standard deviation about 1) that varies over 1/`points` of the patch."""
    noise = rng.standard_normal([points] * len(shape)).astype(np.float32)
    for axis, n in enumerate(shape):
        noise = along(noise, smooth_weights(n, points), axis)
    return noise


def along(array: Array, weights: Array, axis: int) -> Array:
    """Multiplies every line of `array` along `axis` by `weights` (new length, old length)."""
    before, n = int(np.prod(array.shape[:axis])), array.shape[axis]
    if axis == array.ndim - 1:
        product = array.reshape(-1, n) @ weights.T
    else:
        product = weights @ array.reshape(before, n, -1)
    return product.reshape(*array.shape[:axis], len(weights), *array.shape[axis + 1 :])


@lru_cache(maxsize=64)
def smooth_weights(n: int, points: int) -> Array:
    """Returns weights (n, points) that interpolate `points` values smoothly over `n` voxels."""
    at = np.linspace(0, points - 1, n)
    low = np.clip(np.floor(at).astype(int), 0, points - 2)
    part = at - low
    part = part * part * (3 - 2 * part)
    return two_weights(low, part, points)


@lru_cache(maxsize=64)
def linear_weights(n: int, points: int, step: int) -> Array:
    """Returns weights (n, points) that interpolate values at every `step`-th of `n` voxels linearly."""
    at = np.minimum(np.arange(n) / step, points - 1)
    low = np.clip(np.floor(at).astype(int), 0, max(points - 2, 0))
    return two_weights(low, at - low, points)


def two_weights(low: NDArray[np.int_], part: NDArray[np.float64], points: int) -> Array:
    """Returns rows of zeros except for 1 - `part` at `low` and `part` after it."""
    weights = np.zeros((len(low), points), np.float32)
    rows = np.arange(len(low))
    weights[rows, low] = 1 - part
    weights[rows, np.minimum(low + 1, points - 1)] += part.astype(np.float32)
    return weights


def enlarged(coarse: Array, shape: tuple[int, ...], step: int) -> Array:
    """Interpolates values known at every `step`-th voxel of `shape` linearly."""
    for axis, n in enumerate(shape):
        coarse = along(coarse, linear_weights(n, coarse.shape[axis], step), axis)
    return coarse


def take(source: NDArray[Any], coordinates: Array, order: int, outside: float) -> NDArray[Any]:
    """Samples `source` at fractional indices; order 0 for labels, 1 for linear interpolation."""
    return ndimage.map_coordinates(
        source,
        coordinates,
        output=np.float32 if order else source.dtype,
        order=order,
        mode="constant",
        cval=outside,
    )


def take_smooth(source: NDArray[Any], coordinates: Array, outside: float, step: int = 2) -> Array:
    """Samples a source that is nearly linear within `step` voxels, at every `step`-th voxel only."""
    coarse = take(source, np.ascontiguousarray(coordinates[:, ::step, ::step, ::step]), 1, outside)
    return enlarged(coarse, coordinates.shape[1:], step)


@dataclass(frozen=True, eq=False)
class Nearest:
    """Nearest source voxel of each voxel of a patch, computed once for several sources of one shape."""

    flat: NDArray[np.int32]
    beyond: NDArray[np.bool_] | None

    def take(self, source: NDArray[Any]) -> NDArray[Any]:
        """Samples `source` at the nearest voxels, 0 beyond its edge."""
        found: NDArray[Any] = source.ravel().take(self.flat)
        if self.beyond is not None:
            found[self.beyond] = 0
        return found


def nearest(coordinates: Array, shape: tuple[int, ...]) -> Nearest:
    """Finds the nearest voxels of a source of `shape`."""
    flat = np.zeros(coordinates.shape[1:], np.int32)
    beyond = np.zeros(flat.shape, bool)
    for axis, n in enumerate(shape):
        index = (coordinates[axis] + np.float32(0.5 + 4096)).astype(np.int32) - 4096
        clipped = np.clip(index, 0, n - 1)
        beyond |= clipped != index
        flat = flat * n + clipped
    return Nearest(flat, beyond if beyond.any() else None)
