"""Runs a network over a volume as MONAI's SlidingWindowInferer does: its tiles, weights and padding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operators.networks.windows.layout import compute_fixed_steps, compute_importance_map, pad_to_patch
from operators.packages.monai_bundle import SlidingWindow
from operators.packages.packages import NetworkSpec

Array = NDArray[np.float32]
Run = Callable[[Array], Array]
Progress = Callable[[float], None]


def slabs(
    run: Run, image: Array, spec: NetworkSpec, tiling: SlidingWindow, progress: Progress
) -> Iterator[tuple[slice, Array]]:
    """Yields the network's outputs (classes, I, J, K), slab by slab along the first axis.

    No more is held in memory than one row of tiles covers.
    """
    patch = spec.patch
    how: dict[str, Any] = (
        {"mode": "edge"} if tiling.padding == "replicate" else {"constant_values": tiling.fill}
    )
    padded, before = pad_to_patch(image, patch, **how)
    starts = [
        compute_fixed_steps(n, side, share)
        for n, side, share in zip(padded.shape, patch, tiling.overlap, strict=True)
    ]
    weights = compute_importance_map(patch, None if tiling.weights == "constant" else tiling.sigma)
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
    """Shifts an array along an axis, and fills it with zeros."""
    moved = np.zeros_like(array)
    rest = array.shape[axis] - by
    lead = (slice(None),) * axis
    moved[(*lead, slice(0, rest))] = array[(*lead, slice(by, None))]
    return moved


def inside(
    slab: Array, first: int, before: Sequence[int], shape: Sequence[int]
) -> Iterator[tuple[slice, Array]]:
    """Yields the part of a slab inside the image, and its position; nothing if it is all padding."""
    low, high = max(first, before[0]), min(first + slab.shape[1], before[0] + shape[0])
    if low < high:
        sides = [slice(b, b + n) for b, n in zip(before[1:], shape[1:], strict=True)]
        yield (
            slice(low - before[0], high - before[0]),
            slab[(slice(None), slice(low - first, high - first), *sides)],
        )
