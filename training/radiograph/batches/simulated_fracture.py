"""Simulates fractures in radiographs of intact bones: a step in the contour and a line across the bone.

A network that finds them has learned to see where a bone's contour and texture are interrupted. They are
a separate pretext task and are never mixed with the real fractures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import ndimage, special

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SimulatedFracture:
    """A simulated fracture: displacement (H, W, 2), change of grey value (H, W) and mask (H, W)."""

    moved: Floats
    added: Floats
    mask: NDArray[np.bool_]


def simulate_fracture(
    window: Floats, bone: NDArray[np.bool_], at: tuple[float, float], rng: Generator
) -> SimulatedFracture:
    """Simulates a random fracture at a point (x, y) of `bone` in a window of grey values from 0 to 1."""
    along, across = coordinates(window, at, rng)
    reach = rng.uniform(8, 26)
    fades = np.exp(-((along / reach) ** 4)).astype(np.float32)
    side = special.expit(across / rng.uniform(0.2, 0.8))
    decay = np.clip(1 - across / rng.uniform(25, 90), 0, 1)
    step = rng.normal(0, 1, 2) * rng.choice([1.0, 3.0, 6.0])
    moved = (side * decay * fades)[..., None] * step
    near = (np.abs(across) < rng.uniform(5, 9)) & (np.abs(along) < reach)
    added = line_of(across, fades, rng) * ndimage.gaussian_filter(bone.astype(np.float32), 1)
    mask = ndimage.binary_dilation(near & bone, iterations=2)
    return SimulatedFracture(moved.astype(np.float32), added.astype(np.float32), mask)


def coordinates(window: Floats, at: tuple[float, float], rng: Generator) -> tuple[Floats, Floats]:
    """Distances along and from a jagged line through `at` that runs across the bone."""
    rows, columns = window.shape
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    angle = across_bone(window, at) + rng.normal(0, 0.5)
    x, y = x - at[0], y - at[1]
    along = x * np.cos(angle) + y * np.sin(angle)
    across = -x * np.sin(angle) + y * np.cos(angle)
    knots = rng.normal(0, rng.uniform(0, 2.5), 16)
    across += np.interp(along, np.linspace(-40, 40, 16), knots)
    return along.astype(np.float32), across.astype(np.float32)


def across_bone(window: Floats, at: tuple[float, float]) -> float:
    """Returns the angle of the direction across the bone, in which grey values change most around a point."""
    column, row = (int(np.clip(v, 20, n - 21)) for v, n in zip(at, window.shape[::-1], strict=True))
    around = ndimage.uniform_filter(window[row - 20 : row + 21, column - 20 : column + 21], 3)
    down, right = np.gradient(around)
    return float(np.arctan2(2 * (down * right).sum(), (right**2 - down**2).sum()) / 2)


def line_of(across: Floats, fades: Floats, rng: Generator) -> Floats:
    """Returns the grey that a fracture line adds: dark if bone is separated, bright if it overlaps."""
    depth = rng.uniform(0.02, 0.25) * (1 if rng.random() < 0.25 else -1)
    width = rng.uniform(0.8, 2.5)
    return (depth * np.exp(-((across / width) ** 2)) * fades).astype(np.float32)
