"""Draws conditioning channels: a coarse network's output for a patch, with its typical errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.sampling import Array, smooth_noise, take

POOL = 2


@dataclass(frozen=True)
class ConditioningRules:
    """Errors of drawn conditioning channels: chances, and lengths in mm."""

    shift_mm: float = 2.0
    bend_mm: float = 3.0
    blur_mm: tuple[float, float] = (1.5, 4.0)
    misnamed: float = 0.3
    missing: float = 0.2
    class_missing: float = 0.06


def draw_conditioning(
    rng: np.random.Generator,
    target: NDArray[np.uint8],
    classes: int,
    spacing_mm: float,
    rules: ConditioningRules,
) -> Array:
    """Draws probabilities (classes - 1, *target.shape) of all classes but the background.

    `target` holds the true classes; other values count as background. The channels are the ground truth
    shifted, bent and blurred as at a coarse spacing, with regions assigned to a wrong class or to none.
    """
    step_mm = POOL * spacing_mm
    pooled = np.stack([mean_of_blocks(target == number) for number in range(1, classes)])
    at = displace_channels(rng, pooled.shape[1:], step_mm, rules)
    sigma = rng.uniform(*rules.blur_mm) / step_mm
    # Blurred as large voxels do
    soft = np.stack(
        [
            ndimage.gaussian_filter(take(share, at, 1, 0), sigma, truncate=3.0) if share.any() else share
            for share in pooled
        ]
    )
    soft = misname_classes(rng, with_doubt(rng, soft), rules)
    zoom = [n / m for n, m in zip(target.shape, soft.shape[1:], strict=True)]
    channels = np.zeros((len(soft), *target.shape), np.float32)
    for share, channel in zip(soft, channels, strict=True):
        if share.any():
            channel[...] = ndimage.zoom(share, zoom, order=1, grid_mode=True, mode="nearest")
    return channels


def mean_of_blocks(mask: NDArray[np.bool_]) -> Array:
    """Returns the share of `mask` in blocks of POOL voxels a side."""
    sides = [part for n in mask.shape for part in (n // POOL, POOL)]
    trimmed = mask[tuple(slice(0, n // POOL * POOL) for n in mask.shape)]
    return trimmed.reshape(sides).mean(axis=tuple(range(1, 2 * mask.ndim, 2)), dtype=np.float32)


def displace_channels(
    rng: np.random.Generator, shape: tuple[int, ...], step_mm: float, rules: ConditioningRules
) -> Array:
    """Returns the source indices (3, *shape) of each block."""
    at = np.stack(np.meshgrid(*(np.arange(n, dtype=np.float32) for n in shape), indexing="ij"))
    for axis in range(len(shape)):
        bend = rng.uniform(0, rules.bend_mm) * smooth_noise(rng, shape, 4)
        at[axis] += (rng.normal(0, rules.shift_mm) + bend) / step_mm
    return at


def with_doubt(rng: np.random.Generator, soft: Array) -> Array:
    """Varies the confidence in each class from place to place; the sum stays at most 1."""
    strength = rng.uniform(0, 1.5)
    doubted = np.stack([share * np.exp(strength * smooth_noise(rng, share.shape, 4)) for share in soft])
    background = np.maximum(1 - soft.sum(axis=0), 0.02)
    return doubted / (doubted.sum(axis=0) + background)


def misname_classes(rng: np.random.Generator, soft: Array, rules: ConditioningRules) -> Array:
    """Assigns regions to another class or to none; at times removes a whole class."""
    soft = soft.copy()
    shape = soft.shape[1:]
    if len(soft) > 1 and rng.random() < rules.misnamed:
        there = smooth_noise(rng, shape, 3) > rng.uniform(0.3, 1.5)
        a, b = rng.choice(len(soft), 2, replace=False)
        soft[[a, b]] = np.where(there, soft[[b, a]], soft[[a, b]])
    if rng.random() < rules.missing:
        soft *= ~(smooth_noise(rng, shape, 3) > rng.uniform(0.5, 2.0))
    for share in soft:
        if rng.random() < rules.class_missing:
            share[...] = 0
    return soft
