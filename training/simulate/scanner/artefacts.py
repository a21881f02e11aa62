"""Simulates rings, beam hardening and motion."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.sampling import Array, enlarged
from training.simulate.scanner.slices import Spacing

# Beam hardening and streaks vary slowly, so they are computed at about this spacing
COARSE_MM = 6.0
DENSE_HU = 200.0
AIR_BELOW_HU = -300.0
# A path of 40 mm through bone on both sides, as between two hip joints, darkens by the full strength
FULL_PATH_MM = 40.0


def rings(rng: np.random.Generator, hu: Array, spacing_mm: Spacing, strength: float) -> Array:
    """Adds rings about an axis along the body, with a standard deviation of `strength` HU."""
    size_mm = [n * step for n, step in zip(hu.shape, spacing_mm, strict=True)]
    x, y = (np.arange(n) * step for n, step in zip(hu.shape[:2], spacing_mm[:2], strict=True))
    x0, y0 = (rng.uniform(-0.5, 1.5) * size for size in size_mm[:2])
    radius = np.hypot(x[:, None] - x0, y[None, :] - y0) / min(spacing_mm[:2])
    profile = rng.standard_normal(int(radius.max()) + 2).astype(np.float32)
    # A faulty detector element is one in many; most rings are faint
    profile *= np.abs(profile) ** 1.5
    profile *= np.float32(strength) / profile[radius.astype(int)].std()
    return np.where(hu > AIR_BELOW_HU, hu + profile[radius.astype(int)][:, :, None], hu)


def beam_hardening(rng: np.random.Generator, hu: Array, spacing_mm: Spacing, strength: float) -> Array:
    """Darkens by up to `strength` HU the space between dense objects, along left-right rays."""
    dense, step = coarse_mean(np.clip(hu - DENSE_HU, 0, 1000) / 1000, spacing_mm)
    angle = float(rng.uniform(-30, 30))
    turned = rotate(dense, angle)
    path_mm = np.cumsum(turned, axis=0) * step * spacing_mm[0]
    before, after = path_mm - turned * step * spacing_mm[0], path_mm[-1:] - path_mm
    shares = [np.minimum(path / FULL_PATH_MM, 1) for path in (before, after)]
    dark = rotate(np.sqrt(shares[0] * shares[1]), -angle)
    fine = enlarged(dark, hu.shape, step)
    return np.where(hu > AIR_BELOW_HU, hu - np.float32(strength) * fine, hu)


def motion(rng: np.random.Generator, hu: Array, spacing_mm: Spacing, strength: float) -> Array:
    """Adds a second outline `strength` mm away to a part of the slices, as when a patient moves."""
    angle, share = rng.uniform(0, 2 * np.pi), float(rng.uniform(0.2, 0.45))
    offset = [strength * np.cos(angle) / spacing_mm[0], strength * np.sin(angle) / spacing_mm[1], 0]
    first, last = np.sort(rng.uniform(-0.2, 1.2, 2)) * hu.shape[2]
    k = np.arange(hu.shape[2])
    weight = share * np.clip(np.minimum(k - first, last - k) / 3, 0, 1).astype(np.float32)
    moved = ndimage.shift(hu, offset, order=1, mode="nearest")
    return hu + weight * (moved - hu)


def coarse_mean(values: Array, spacing_mm: Spacing) -> tuple[Array, int]:
    """Returns local means at every `step`-th voxel, and the step."""
    step = max(1, round(COARSE_MM / max(spacing_mm)))
    mean = ndimage.uniform_filter(values, step, mode="nearest") if step > 1 else values
    return np.ascontiguousarray(mean[::step, ::step, ::step]), step


def rotate(values: Array, angle_deg: float) -> NDArray[np.float32]:
    """Rotates values about the body's long axis within the same array."""
    return ndimage.rotate(values, angle_deg, axes=(0, 1), reshape=False, order=1, mode="constant")
