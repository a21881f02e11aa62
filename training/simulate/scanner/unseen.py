"""Blanks regions outside the reconstructed circle, before a scan's start, and after its end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.simulate.scanner.slices import Spacing

# Value that scanners write outside the reconstruction, clipped to twelve bits
UNSEEN_HU = -1024.0


def beyond_circle(
    shape: tuple[int, ...], spacing_mm: Spacing, middle_mm: NDArray[np.float64], radius_mm: float
) -> NDArray[np.bool_]:
    """Returns the voxels outside a circle in axes 0 and 1, in every slice."""
    x, y = (np.arange(n) * step for n, step in zip(shape[:2], spacing_mm[:2], strict=True))
    away = np.hypot(x[:, None] - middle_mm[0], y[None, :] - middle_mm[1])
    return np.broadcast_to((away > radius_mm)[:, :, None], shape)


def circle_through(
    rng: np.random.Generator, shape: tuple[int, ...], spacing_mm: Spacing
) -> NDArray[np.bool_]:
    """Returns the voxels beyond a circle of 200 to 500 mm whose edge crosses the patch."""
    size_mm = np.array([n * step for n, step in zip(shape[:2], spacing_mm[:2], strict=True)])
    radius_mm, angle = rng.uniform(100, 250), rng.uniform(0, 2 * np.pi)
    edge_mm = size_mm * (0.5 + rng.uniform(0.1, 0.5) * np.array([np.cos(angle), np.sin(angle)]))
    middle_mm = edge_mm - radius_mm * np.array([np.cos(angle), np.sin(angle)])
    return beyond_circle(shape, spacing_mm, middle_mm, radius_mm)


def plane_through(rng: np.random.Generator, shape: tuple[int, ...], spacing_mm: Spacing) -> NDArray[np.bool_]:
    """Returns the voxels beyond a plane across one axis, mostly the body's: the scan's start or end."""
    del spacing_mm
    axis, keep = int(rng.choice(3, p=(0.15, 0.15, 0.7))), float(rng.uniform(0.4, 0.95))
    index = np.arange(shape[axis]) >= shape[axis] * keep
    if rng.random() < 0.5:
        index = index[::-1]
    line = [1, 1, 1]
    line[axis] = shape[axis]
    return np.broadcast_to(index.reshape(line), shape)
