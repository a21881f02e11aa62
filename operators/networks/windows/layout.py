"""Lays out sliding windows: positions of tiles, their weights, and padding around the image.

Functions have nnU-Net's names for the same parts (nnunetv2/inference/sliding_window_prediction.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

if TYPE_CHECKING:
    import torch

Array = NDArray[np.float32]
Scalar = TypeVar("Scalar", bound=np.generic)
Slices = tuple[slice, ...]

# Smaller weights are raised to this one: in Osteon's own window, and in MONAI's (compute_importance_map)
LEAST_WEIGHT = 1e-3


def compute_steps_for_sliding_window(n: int, side: int, step: float) -> list[int]:
    """Returns starts of evenly spread tiles along an axis, at most `step` apart; one for an axis shorter than
    a tile.

    All starts differ: slices, whose tiles are one voxel thick, have one start each.
    """
    count = max(ceil((n - side) / max(step, 1)), 0) + 1
    apart = (n - side) / (count - 1) if count > 1 else 0
    return [round(apart * number) for number in range(count)]


def compute_fixed_steps(n: int, side: int, overlap: float) -> list[int]:
    """Returns MONAI's starts along an axis: a fixed step apart, the last moved back to the end."""
    step = side if side == n else max(int(side * (1 - overlap)), 1)
    return [min(number * step, n - side) for number in range(ceil((n - side) / step) + 1)]


def tile_slices(start: Sequence[int], patch: Sequence[int]) -> Slices:
    """Returns the slices of the tile that starts at `start`."""
    return tuple(slice(s, s + p) for s, p in zip(start, patch, strict=True))


def pad_to_patch(
    array: NDArray[Scalar], patch: Sequence[int], **how: Any
) -> tuple[NDArray[Scalar], tuple[int, ...]]:
    """Pads an array to a patch or more; returns it and the voxels before it; `how` is numpy.pad's."""
    missing = [max(p - n, 0) for n, p in zip(array.shape, patch, strict=True)]
    before = tuple(m // 2 for m in missing)
    if not any(missing):
        return array, before
    return np.pad(array, [(b, m - b) for b, m in zip(before, missing, strict=True)], **how), before


def compute_gaussian(patch: Sequence[int], top: float, least: float, kind: torch.dtype) -> torch.Tensor:
    """Returns nnU-Net's weights: a point smoothed by an eighth of each side, `top` at most, nowhere 0.

    They are in single precision, rounded to `kind`, the precision of the sums that they are added to.
    """
    import torch  # slow to import, and needed for published networks alone

    smeared = np.ones(())
    for side in patch:
        # A side of one voxel is not smoothed
        point = np.eye(1, side, side // 2)[0]
        along = ndimage.gaussian_filter1d(point, side / 8, mode="constant") if side > 1 else point
        smeared = np.multiply.outer(smeared, along)
    weights = torch.from_numpy(np.maximum(smeared / (smeared.max() / top), least * top)).to(kind)
    weights[weights == 0] = weights[weights > 0].min()
    return weights.float()


def compute_centred_gaussian(patch: Sequence[int]) -> Array:
    """Returns weights that fall from the tile's centre to its edge; sigma is an eighth of the tile."""
    weight = np.ones((), np.float32)
    for n in patch:
        along = np.exp(-0.5 * ((np.arange(n) - (n - 1) / 2) / (n / 8)) ** 2)
        weight = np.multiply.outer(weight, along.astype(np.float32))
    return np.maximum(weight, np.float32(LEAST_WEIGHT))


def compute_importance_map(patch: Sequence[int], sigma: Sequence[float] | None) -> Array:
    """Returns MONAI's weights, with `sigma` relative to a tile's sides; all equal without."""
    if sigma is None:
        return np.ones(tuple(patch), np.float32)
    weights = np.ones((), np.float32)
    for side, share in zip(patch, sigma, strict=True):
        away = np.arange(side, dtype=np.float32) - np.float32((side - 1) / 2)
        along = np.exp(away**2 / np.float32(-2 * (side * share) ** 2), dtype=np.float32)
        weights = np.multiply.outer(weights, along)
    return np.maximum(weights, np.float32(max(weights.min(), LEAST_WEIGHT)))
