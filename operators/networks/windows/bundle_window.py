"""A network over a volume as MONAI's SlidingWindowInferer runs it: its tiles, weights and padding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, product
from math import ceil

import numpy as np
from numpy.typing import NDArray

from operators.packages.monai_bundle import SlidingWindow
from operators.packages.packages import NetworkSpec

Array = NDArray[np.float32]
Run = Callable[[Array], Array]
Progress = Callable[[float], None]
# Weights below it are raised to it (monai.data.utils.compute_importance_map)
LEAST_WEIGHT = 1e-3


def slabs(
    run: Run, image: Array, spec: NetworkSpec, tiling: SlidingWindow, progress: Progress
) -> Iterator[tuple[slice, Array]]:
    """Yields the network's outputs (classes, I, J, K), slab by slab along the first axis.

    No more is held than one row of tiles reaches over.
    """
    patch = spec.patch
    before, padded = padded_to(image, patch, tiling)
    starts = [
        starts_along(n, side, share)
        for n, side, share in zip(padded.shape, patch, tiling.overlap, strict=True)
    ]
    weights = weights_of(patch, tiling)
    tiles = list(product(*starts))
    total = np.zeros((len(spec.classes), patch[0], *padded.shape[1:]), np.float32)
    weight = np.zeros(total.shape[1:], np.float32)
    ends = [*starts[0][1:], padded.shape[0]]
    done = 0
    for (first, row), end in zip(groupby(tiles, lambda tile: tile[0]), ends, strict=True):
        for _, j, k in row:
            here = (slice(None), slice(j, j + patch[1]), slice(k, k + patch[2]))
            into = total[(slice(None), *here)]
            into += run(padded[first : first + patch[0]][here]) * weights
            weight[here] += weights
            done += 1
            progress(done / len(tiles))
        ready = end - first
        yield from inside(np.divide(total[:, :ready], weight[:ready]), first, before, image.shape)
        total, weight = shifted(total, ready, 1), shifted(weight, ready, 0)


def shifted(array: Array, by: int, axis: int) -> Array:
    """Shifts an array along an axis, with zeros behind it."""
    moved = np.zeros_like(array)
    rest = array.shape[axis] - by
    lead = (slice(None),) * axis
    moved[(*lead, slice(0, rest))] = array[(*lead, slice(by, None))]
    return moved


def inside(
    slab: Array, first: int, before: Sequence[int], shape: Sequence[int]
) -> Iterator[tuple[slice, Array]]:
    """The part of a slab that is no padding, and where it lies in the image; nothing if there is none."""
    low, high = max(first, before[0]), min(first + slab.shape[1], before[0] + shape[0])
    if low < high:
        sides = [slice(b, b + n) for b, n in zip(before[1:], shape[1:], strict=True)]
        yield (
            slice(low - before[0], high - before[0]),
            slab[(slice(None), slice(low - first, high - first), *sides)],
        )


def padded_to(image: Array, patch: tuple[int, ...], tiling: SlidingWindow) -> tuple[list[int], Array]:
    """How many voxels stand before the image along each axis, and the image with them; a patch at least."""
    missing = [max(side - n, 0) for side, n in zip(patch, image.shape, strict=True)]
    before = [m // 2 for m in missing]
    if not any(missing):
        return before, image
    widths = [(b, m - b) for b, m in zip(before, missing, strict=True)]
    if tiling.padding == "replicate":
        return before, np.pad(image, widths, mode="edge")
    return before, np.pad(image, widths, constant_values=tiling.fill)


def starts_along(count: int, side: int, overlap: float) -> list[int]:
    """Where tiles begin along an axis: a fixed step apart, the last moved back to the end."""
    step = side if side == count else max(int(side * (1 - overlap)), 1)
    steps = ceil((count - side) / step)
    return [min(number * step, count - side) for number in range(steps + 1)]


def weights_of(patch: tuple[int, ...], tiling: SlidingWindow) -> Array:
    """How much each voxel of a tile counts."""
    weights = np.ones((), np.float32)
    if tiling.weights == "constant":
        return np.ones(patch, np.float32)
    for side, sigma in zip(patch, tiling.sigma, strict=True):
        away = np.arange(side, dtype=np.float32) - np.float32((side - 1) / 2)
        along = np.exp(away**2 / np.float32(-2 * (side * sigma) ** 2), dtype=np.float32)
        weights = np.multiply.outer(weights, along)
    return np.maximum(weights, np.float32(max(weights.min(), LEAST_WEIGHT)))
