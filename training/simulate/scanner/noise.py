"""Simulates quantum noise, its correlation, and photon starvation streaks."""

from __future__ import annotations

import numpy as np

from training.sampling import Array, along, linear_weights, smooth_noise
from training.simulate.scanner.kernels import blurred
from training.simulate.scanner.slices import Spacing

# Correlation length of noise from sharp to smooth kernels, mm (standard deviation)
CORRELATION_MM = (0.2, 1.3)
AIR_BELOW_HU = -300.0


def dose_noise(rng: np.random.Generator, hu: Array, spacing_mm: Spacing, strength: float) -> Array:
    """Adds noise with a standard deviation of `strength` HU that varies over the patch."""
    length_mm = rng.uniform(*CORRELATION_MM)
    x, y, z = (length_mm / step for step in spacing_mm)
    noise = blurred(rng.standard_normal(hu.shape, dtype=np.float32), (x, y, z / 2))
    noise *= 1 + np.float32(0.2) * smooth_noise(rng, hu.shape, 3)
    noise *= np.float32(strength) / noise.std()
    return hu + noise


def starvation_streaks(rng: np.random.Generator, hu: Array, spacing_mm: Spacing, strength: float) -> Array:
    """Adds left-right streaks, up to `strength` HU where the body attenuates most."""
    del spacing_mm
    width = 3
    lines = rng.standard_normal((*(-(-n // width) for n in hu.shape[:1]), *hu.shape[1:]), dtype=np.float32)
    # Elongated along axis 0: weighted by a triangle over a third of the patch
    n = len(lines)
    near = np.maximum(1 - np.abs(np.subtract.outer(np.arange(n), np.arange(n))) / max(n / 3, 1), 0)
    near /= np.sqrt((near**2).sum(axis=1, keepdims=True))
    lines = along(lines, near.astype(np.float32), 0)
    lines = along(lines, linear_weights(hu.shape[0], n, width), 0)
    path = np.clip(hu[::4] + 1000, 0, 2500).mean(axis=0)
    lines *= np.float32(strength) * (path / max(float(path.max()), 1.0)) ** 2
    return np.where(hu > AIR_BELOW_HU, hu + lines, hu)
