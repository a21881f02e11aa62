"""Simulates slices: thickness, interval, gantry tilt. Axis 2 of an array runs along the body."""

from __future__ import annotations

import numpy as np

from training.sampling import Array, along

Spacing = tuple[float, float, float]


def thick_slices(rng: np.random.Generator, hu: Array, spacing_mm: Spacing, strength: float) -> Array:
    """Averages into slices of `strength` mm, adjacent or overlapping by up to half, on the grid of `hu`."""
    return reslice(rng, hu, spacing_mm, strength, 0.0)


def tilted_slices(rng: np.random.Generator, hu: Array, spacing_mm: Spacing, strength: float) -> Array:
    """Averages into slices of 1.5 to 5 mm, tilted by `strength` degrees about the left-right axis."""
    return reslice(rng, hu, spacing_mm, float(rng.uniform(1.5, 5)), float(np.tan(np.radians(strength))))


def reslice(
    rng: np.random.Generator, hu: Array, spacing_mm: Spacing, thickness_mm: float, slope: float
) -> Array:
    """Averages `hu` into slices that rise by `slope` along axis 1, and interpolates back."""
    interval_mm = thickness_mm * float(rng.choice(OVERLAPS))
    start_mm = float(rng.uniform(-interval_mm, 0))
    n, step_mm = hu.shape[2], spacing_mm[2]
    if slope == 0:
        return along(hu, slice_weights(n, step_mm, thickness_mm, interval_mm, start_mm), 2)
    result = np.empty_like(hu)
    for j in range(hu.shape[1]):
        shift_mm = (start_mm + slope * j * spacing_mm[1]) % interval_mm - interval_mm
        weights = slice_weights(n, step_mm, thickness_mm, interval_mm, shift_mm)
        result[:, j] = hu[:, j] @ weights.T
    return result


# Usual protocols reconstruct at intervals of half the thickness, 0.8 of it, or all of it
OVERLAPS = (0.5, 0.8, 1.0)


def slice_weights(n: int, step_mm: float, thickness_mm: float, interval_mm: float, start_mm: float) -> Array:
    """Returns weights (n, n) that average n voxels into slices and interpolate linearly between these."""
    count = int(np.ceil((n * step_mm - start_mm) / interval_mm)) + 2
    slices_mm = start_mm + interval_mm * np.arange(count)
    edges_mm = step_mm * (np.arange(n + 1) - 0.5)
    low, high = slices_mm[:, None] - thickness_mm / 2, slices_mm[:, None] + thickness_mm / 2
    overlap = np.minimum(edges_mm[1:], high) - np.maximum(edges_mm[:-1], low)
    averaging = np.maximum(overlap, 0)
    within = averaging.sum(axis=1) > 1e-6
    averaging, slices_mm = averaging[within], slices_mm[within]
    averaging /= averaging.sum(axis=1, keepdims=True)
    nearer = np.maximum(1 - np.abs(step_mm * np.arange(n)[:, None] - slices_mm) / interval_mm, 0)
    # Before the first slice and after the last one, the outermost slice is repeated
    nearer[step_mm * np.arange(n) < slices_mm[0]] = np.eye(len(slices_mm))[0]
    nearer[step_mm * np.arange(n) > slices_mm[-1]] = np.eye(len(slices_mm))[-1]
    return (nearer @ averaging).astype(np.float32)
