"""Runs a network over a volume, tile by tile, only where there may be something to find."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from operators.intensities.normalisation import normalise
from operators.networks.windows.layout import (
    compute_centred_gaussian,
    compute_steps_for_sliding_window,
    pad_to_patch,
    tile_slices,
)
from operators.packages.packages import NetworkSpec

Array = NDArray[np.float32]
Scalar = TypeVar("Scalar", bound=np.generic)
Start = tuple[int, int, int]


@dataclass(frozen=True)
class Window:
    """The least share of a tile that overlaps its neighbour, along each axis."""

    overlap: float = 0.3


def predict(
    run: Callable[[Array], Array],
    hu: Array,
    spec: NetworkSpec,
    window: Window,
    wanted: NDArray[np.bool_] | None = None,
    progress: Callable[[float], None] = lambda _: None,
    guide: NDArray[np.uint8] | None = None,
    keep: Sequence[str] = (),
) -> Array:
    """Returns probabilities (classes, I, J, K), float32, of a volume (I, J, K) in HU.

    The classes are those to `keep`, in their order, or all. Tiles without any `wanted` voxel are not run:
    there the background (the first class) has probability 1. Conditioning channels `guide` (channels, I, J,
    K), 255 for certainty, are read beside the image. Overlapping tiles are averaged with Gaussian weights
    (Isensee et al. 2021).
    """
    padded, offset = pad_to_patch(normalise(hu, spec), spec.patch)
    needed = None if wanted is None else pad_to_patch(wanted, spec.patch)[0]
    guides = [pad_to_patch(channel, spec.patch)[0] for channel in (() if guide is None else guide)]
    kept = [spec.classes.index(name) for name in keep or spec.classes]
    total = np.zeros((len(kept), *padded.shape), np.float32)
    weight = np.zeros(padded.shape, np.float32)
    gauss = compute_centred_gaussian(spec.patch)
    weighted = np.empty_like(gauss)
    starts = list(tile_starts(padded.shape, spec.patch, window))
    if needed is not None:
        starts = [start for start in starts if tile(needed, start, spec.patch).any()]
    for done, start in enumerate(starts, start=1):
        probabilities = softmax(run(inputs(tile(padded, start, spec.patch), guides, start)))
        for number, into in zip(kept, total, strict=True):
            tile(into, start, spec.patch)[...] += np.multiply(probabilities[number], gauss, out=weighted)
        tile(weight, start, spec.patch)[...] += gauss
        progress(done / len(starts))
    inner = tuple(slice(o, o + n) for o, n in zip(offset, hu.shape, strict=True))
    return normalised(total[(slice(None), *inner)], weight[inner], kept)


def inputs(image: Array, guides: list[NDArray[np.uint8]], start: Start) -> Array:
    """Returns the network's input for one tile: the image and its conditioning channels, if there are any."""
    if not guides:
        return image
    whole = np.empty((1 + len(guides), *image.shape), np.float32)
    whole[0] = image
    for channel, into in zip(guides, whole[1:], strict=True):
        np.divide(tile(channel, start, image.shape), np.float32(255), out=into)
    return whole


def tile_starts(shape: tuple[int, ...], patch: tuple[int, ...], window: Window) -> Iterator[Start]:
    """Yields the corners of evenly spread tiles, as few as keep the overlap."""
    i, j, k = (
        compute_steps_for_sliding_window(n, p, p * (1 - window.overlap))
        for n, p in zip(shape, patch, strict=True)
    )
    yield from product(i, j, k)


def tile(array: NDArray[Scalar], start: Start, patch: tuple[int, ...]) -> NDArray[Scalar]:
    """Returns a view of the part of `array` in a tile."""
    return array[tile_slices(start, patch)]


def softmax(logits: Array) -> Array:
    """Turns logits into probabilities over the first axis, in place: a tile needs no new arrays."""
    logits -= logits.max(axis=0)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=0)
    return logits


def normalised(total: Array, weight: Array, classes: list[int]) -> Array:
    """Returns weighted means, overwriting both arrays; background (class 0) where no tile ran."""
    empty = weight == 0
    weight[empty] = 1
    total /= weight
    total[:, empty] = np.equal(classes, 0)[:, None]
    return total
