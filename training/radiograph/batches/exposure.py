"""Augments a batch of images: random exposure, noise, sharpness and masked squares."""

from __future__ import annotations

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor
from torch.nn import functional

HIDDEN_PIXELS = 16


def expose(images: Tensor, rng: Generator, spread: float = 1.0) -> Tensor:
    """Images (N, 1, H, W) between 0 and 1, each with random contrast, gamma, sharpness and noise.

    `spread` scales all four; 0 leaves the images unchanged.
    """
    count = len(images)
    gamma = column(np.exp(rng.normal(0, 0.3, count) * spread))
    gain = column(np.exp(rng.normal(0, 0.2, count) * spread))
    offset = column(rng.normal(0, 0.05, count) * spread)
    images = images.clamp(0, 1).pow(gamma) * gain + offset
    images = torch.lerp(images, smooth(images), column(rng.uniform(-0.7, 1.0, count) * spread))
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(int(rng.integers(2**31))))
    return (images + noise * column(np.abs(rng.normal(0, 0.012, count)) * spread)).clamp(0, 1)


def column(values: np.ndarray) -> Tensor:
    """Values (N,) reshaped to (N, 1, 1, 1)."""
    return torch.from_numpy(values.astype(np.float32)).reshape(-1, 1, 1, 1)


def smooth(images: Tensor) -> Tensor:
    """Returns the mean of 3 x 3 pixels."""
    return functional.avg_pool2d(images, 3, 1, 1, count_include_pad=False)


def hide(shape: torch.Size, share: tuple[float, float], rng: Generator) -> Tensor:
    """Returns the masked squares of images of `shape`: a random share of each, (N, 1, H, W) of 0 and 1."""
    count, _, rows, columns = shape
    shares = rng.uniform(*share, (count, 1, 1, 1))
    squares = rng.random((count, 1, -(-rows // HIDDEN_PIXELS), -(-columns // HIDDEN_PIXELS))) < shares
    large = torch.from_numpy(squares.astype(np.float32))
    large = large.repeat_interleave(HIDDEN_PIXELS, 2).repeat_interleave(HIDDEN_PIXELS, 3)
    return large[:, :, :rows, :columns]


def covered(images: Tensor, hidden: Tensor, rng: Generator) -> Tensor:
    """Images whose masked squares are filled with the image's mean and noise."""
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(int(rng.integers(2**31))))
    return torch.where(hidden > 0, images.mean((2, 3), keepdim=True) + 0.05 * noise, images)
