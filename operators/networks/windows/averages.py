"""Averages the outputs of a tile, its mirror images and its neighbours as nnU-Net's two versions do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[np.float32]
Axes = tuple[int, ...]


def probabilities(logits: Array) -> Array:
    """Returns probabilities over the first axis, in the original's arithmetic."""
    shares: Array = torch.softmax(torch.from_numpy(logits), 0).numpy()
    return shares


def by_count(axes: Axes) -> list[Axes]:
    """Returns every set of axes to mirror: single ones, pairs, all."""
    return [some for count in range(1, len(axes) + 1) for some in combinations(axes, count)]


def by_number(axes: Axes) -> list[Axes]:
    """Returns every set of axes to mirror, counted in binary, the last axis changing first."""
    bits = list(enumerate(reversed(axes)))
    return [tuple(axis for bit, axis in bits if number >> bit & 1) for number in range(1, 1 << len(axes))]


@dataclass(frozen=True)
class Average:
    """The arithmetic of an average: its precision, that of interpolation, the greatest weight of a Gaussian.

    `become` turns a network's output into what is averaged. `mirrors` returns the sets of axes that are
    mirrored together, in order. `lone` says whether a single tile is weighted by a Gaussian too. The original
    always interpolates in double precision; after rounding to half precision, single precision gives the
    same.
    """

    kind: torch.dtype
    between: torch.dtype
    top: float
    become: Callable[[Array], Array]
    mirrors: Callable[[Axes], list[Axes]]
    lone: bool


AVERAGES = {
    "logits": Average(torch.float16, torch.float32, 10.0, lambda logits: logits, by_count, True),
    "probabilities": Average(torch.float32, torch.float64, 1.0, probabilities, by_number, False),
}
