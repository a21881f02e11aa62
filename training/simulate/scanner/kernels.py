"""Simulates smooth and sharp reconstruction kernels within slices (axes 0 and 1)."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from training.sampling import Array
from training.simulate.scanner.slices import Spacing

# A narrower Gaussian changes no neighbour by more than 0.1 %
LEAST_SIGMA = 0.3
# Edge-enhancing kernels overshoot within about a millimetre of an edge
SHARP_MM = 1.0


def smooth_kernel(rng: np.random.Generator, hu: Array, spacing_mm: Spacing, strength: float) -> Array:
    """Blurs each slice by a Gaussian of `strength` mm (standard deviation)."""
    del rng
    return blurred(hu, (strength / spacing_mm[0], strength / spacing_mm[1], 0))


def sharp_kernel(rng: np.random.Generator, hu: Array, spacing_mm: Spacing, strength: float) -> Array:
    """Enhances edges: adds `strength` times the difference to a blur of a millimetre or half a voxel."""
    del rng
    sigma = [max(SHARP_MM / step, 0.5) for step in spacing_mm[:2]]
    return hu + np.float32(strength) * (hu - blurred(hu, (sigma[0], sigma[1], 0)))


def blurred(hu: Array, sigma: tuple[float, float, float]) -> Array:
    """Applies a Gaussian filter along the axes where it matters; `sigma` in voxels."""
    axes = [axis for axis in range(3) if sigma[axis] >= LEAST_SIGMA]
    for axis in axes:
        hu = ndimage.gaussian_filter1d(hu, sigma[axis], axis=axis, truncate=3.0)
    return hu
