"""Noise of the dose: its strength, its correlation, and streaks where few photons get through."""

from __future__ import annotations

import numpy as np

from training.sampling import Array, along, linear_weights, smooth_noise
from training.simulate.scanner.kernels import blurred
from training.simulate.scanner.slices import Spacing

# Kernels from sharp to smooth leave noise that is alike within this length, mm (standard deviation)
CORRELATION_MM = (0.2, 1.3)
AIR_BELOW_HU = -300.0


def dose_noise(rng: np.random.Generator, hu: Array, spacing_mm: Spacing, strength: float) -> Array:
    """Adds noise of standard deviation `strength` HU, more of it in some places than in others."""
    length_mm = rng.uniform(*CORRELATION_MM)
    x, y, z = (length_mm / step for step in spacing_mm)
    noise = blurred(rng.standard_normal(hu.shape, dtype=np.float32), (x, y, z / 2))
    noise *= 1 + np.float32(0.2) * smooth_noise(rng, hu.shape, 3)
    noise *= np.float32(strength) / noise.std()
    return hu + noise


def starvation_streaks(rng: np.random.Generator, hu: Array, spacing_mm: Spacing, strength: float) -> Array:
    """Adds streaks from side to side, up to `strength` HU strong where the body lets least through."""
    del spacing_mm
    width = 3
    lines = rng.standard_normal((*(-(-n // width) for n in hu.shape[:1]), *hu.shape[1:]), dtype=np.float32)
    # Long along axis 0: the mean over neighbours, by a triangle of a third of the patch
    n = len(lines)
    near = np.maximum(1 - np.abs(np.subtract.outer(np.arange(n), np.arange(n))) / max(n / 3, 1), 0)
    near /= np.sqrt((near**2).sum(axis=1, keepdims=True))
    lines = along(lines, near.astype(np.float32), 0)
    lines = along(lines, linear_weights(hu.shape[0], n, width), 0)
    path = np.clip(hu[::4] + 1000, 0, 2500).mean(axis=0)
    lines *= np.float32(strength) * (path / max(float(path.max()), 1.0)) ** 2
    return np.where(hu > AIR_BELOW_HU, hu + lines, hu)
