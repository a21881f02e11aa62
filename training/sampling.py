"""Takes a patch out of a subject through a random pose: one interpolation from source to patch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Pose:
    """How widely a patch is turned, scaled and bent before it is cut out."""

    rotation_deg: float = 12.0
    scale: float = 0.12
    bend_mm: float = 6.0
    bend_points: int = 5


def patch_coordinates(
    rng: np.random.Generator,
    centre: NDArray[np.float64],
    shape: tuple[int, ...],
    spacing_mm: float,
    source_spacing_mm: NDArray[np.float64],
    pose: Pose,
) -> Array:
    """Source indices (3, *shape) of every voxel of a patch centred on the source index `centre`."""
    turn = Rotation.from_euler("xyz", rng.uniform(-pose.rotation_deg, pose.rotation_deg, 3), degrees=True)
    scales = 1 + rng.uniform(-pose.scale, pose.scale) + rng.uniform(-pose.scale / 3, pose.scale / 3, 3)
    matrix = (turn.as_matrix() * (spacing_mm * scales)) / source_spacing_mm[:, None]
    grids = np.meshgrid(*(np.arange(n, dtype=np.float32) - (n - 1) / 2 for n in shape), indexing="ij")
    flat = np.stack([g.ravel() for g in grids])
    coordinates = (matrix.astype(np.float32) @ flat).reshape(3, *shape)
    if pose.bend_mm:
        for axis in range(3):
            coordinates[axis] += bend(rng, shape, pose) / source_spacing_mm[axis]
    coordinates += centre.astype(np.float32)[:, None, None, None]
    return coordinates


def bend(rng: np.random.Generator, shape: tuple[int, ...], pose: Pose) -> Array:
    """A smooth displacement in mm over a patch."""
    most_mm = np.float32(rng.uniform(0, pose.bend_mm))
    displacement_mm: Array = smooth_noise(rng, shape, pose.bend_points) * most_mm
    return displacement_mm


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], points: int) -> Array:
    """Noise (standard deviation about 1) that varies over 1/`points` of the patch."""
    coarse = rng.standard_normal([points] * len(shape)).astype(np.float32)
    for axis, n in enumerate(shape):
        at = np.linspace(0, points - 1, n)
        low = np.clip(np.floor(at).astype(int), 0, points - 2)
        part = (at - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(len(shape))])
        part = part * part * (3 - 2 * part)
        coarse = coarse.take(low, axis) * (1 - part) + coarse.take(low + 1, axis) * part
    return coarse


def take(source: NDArray[Any], coordinates: Array, order: int, outside: float) -> NDArray[Any]:
    """`source` at fractional indices; order 0 keeps labels, 1 interpolates."""
    result: NDArray[Any] = ndimage.map_coordinates(
        source,
        coordinates,
        output=np.float32 if order else source.dtype,
        order=order,
        mode="constant",
        cval=outside,
    )
    return result
