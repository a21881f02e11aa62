"""Runs a network over a volume, tile by tile, only where there may be something to find."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, product
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from operators.geometry.volume import Box
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
# Conditioning channels (channels, I, J, K) of a block of the volume, 255 for certainty
Guide = Callable[[Box], NDArray[np.uint8]]


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
    block = None if guide is None else lambda box: guide[(slice(None), *box)]
    ((_, found),) = predict_blocks(run, hu, spec, window, None, wanted, progress, block, keep)
    return found


def predict_blocks(
    run: Callable[[Array], Array],
    hu: Array,
    spec: NetworkSpec,
    window: Window,
    axis: int | None,
    wanted: NDArray[np.bool_] | None = None,
    progress: Callable[[float], None] = lambda _: None,
    guide: Guide | None = None,
    keep: Sequence[str] = (),
) -> Iterator[tuple[Box, Array]]:
    """Yields the same as `predict` in blocks that follow one another along `axis`, as soon as they are final.

    Only as much as a patch is long is held along that axis; with None the one block is everything. What no
    tile reaches lies in no block. A block's array is valid until the next one.
    """
    shape = hu.shape
    padded, offset = pad_to_patch(normalise(hu, spec), spec.patch)
    del hu
    starts = wanted_starts(padded.shape, spec.patch, window, wanted)
    layers, done = layers_of(starts, axis), 0
    along, rows = (0, padded.shape[0]) if axis is None else (axis, spec.patch[axis])
    kept = [spec.classes.index(name) for name in keep or spec.classes]
    sums = TileSums.empty(len(kept), [*padded.shape[:along], rows, *padded.shape[along + 1 :]], spec.patch)
    inner = Box(plus(offset, (0, 0, 0)), plus(offset, shape))
    for number, (first, tiles) in enumerate(layers):
        sums.move(along, first)
        guides, corner = guides_of(guide, tiles, spec.patch, inner)
        for start in tiles:
            whole = inputs(tile(padded, start, spec.patch), guides, minus(start, corner))
            probabilities = softmax(run(whole))
            sums.add((probabilities[one] for one in kept), start)
            done += 1
            progress(done / len(starts))
        after = layers[number + 1][0] if number + 1 < len(layers) else first + rows
        box = final_box(along, first, min(after, first + rows), inner)
        yield Box(minus(box.start, offset), minus(box.stop, offset)), sums.means(box, kept)


@dataclass(eq=False)
class TileSums:
    """Weighted sums (classes, I, J, K) of tiles in a block of a padded volume that begins at `origin`."""

    total: Array
    weight: Array
    gauss: Array
    spare: Array
    origin: list[int]

    @classmethod
    def empty(cls, classes: int, shape: Sequence[int], patch: tuple[int, ...]) -> TileSums:
        """Returns sums of no tiles at the volume's first corner."""
        gauss = compute_centred_gaussian(patch)
        total, weight = np.zeros((classes, *shape), np.float32), np.zeros(tuple(shape), np.float32)
        return cls(total, weight, gauss, np.empty_like(gauss), [0, 0, 0])

    def add(self, probabilities: Iterable[Array], start: Start) -> None:
        """Adds a tile, which lies in the block."""
        here, patch = minus(start, self.origin), self.gauss.shape
        for one, into in zip(probabilities, self.total, strict=True):
            tile(into, here, patch)[...] += np.multiply(one, self.gauss, out=self.spare)
        tile(self.weight, here, patch)[...] += self.gauss

    def means(self, box: Box, classes: list[int]) -> Array:
        """Returns the weighted means in a part of the block, overwriting its sums."""
        here = tile_slices(minus(box.start, self.origin), box.shape)
        return normalised(self.total[(slice(None), *here)], self.weight[here], classes)

    def move(self, axis: int, first: int) -> None:
        """Moves the block along an axis to where it begins at `first`; what lies before is dropped."""
        step = first - self.origin[axis]
        for sums in (*self.total, self.weight) if step else ():
            rows = np.moveaxis(sums, axis, 0)
            kept = max(len(rows) - step, 0)
            rows[:kept] = rows[step : step + kept]
            rows[kept:] = 0
        self.origin[axis] = first


def layers_of(starts: Sequence[Start], axis: int | None) -> list[tuple[int, list[Start]]]:
    """Groups tiles by where they begin along an axis; returns that with each group, all at 0 without axis."""
    if axis is None:
        return [(0, list(starts))]

    def first(start: Start) -> int:
        return start[axis]

    return [(at, list(tiles)) for at, tiles in groupby(sorted(starts, key=first), first)]


def guides_of(
    guide: Guide | None, tiles: Sequence[Start], patch: tuple[int, ...], inner: Box
) -> tuple[list[NDArray[np.uint8]], Start]:
    """Returns the conditioning channels of the block that holds `tiles`, padded as the volume is, and its
    corner. `inner` is the volume without its padding.
    """
    if guide is None or not tiles:
        return [], (0, 0, 0)
    block = Box.around_all(Box(start, plus(start, patch)) for start in tiles)
    start = minus(np.maximum(block.start, inner.start), inner.start)
    stop = minus(np.minimum(block.stop, inner.stop), inner.start)
    return [pad_to_patch(channel, patch)[0] for channel in guide(Box(start, stop))], block.start


def final_box(axis: int, first: int, last: int, inner: Box) -> Box:
    """Returns the part of `inner` from `first` to `last` along an axis."""
    start, stop = list(inner.start), list(inner.stop)
    start[axis], stop[axis] = max(start[axis], first), min(stop[axis], last)
    return Box(plus(start, (0, 0, 0)), plus(stop, (0, 0, 0)))


def plus(one: Iterable[int], other: Iterable[int]) -> Start:
    """Returns the sum of two positions."""
    i, j, k = (int(a) + int(b) for a, b in zip(one, other, strict=True))
    return i, j, k


def minus(one: Iterable[int], other: Iterable[int]) -> Start:
    """Returns the difference of two positions."""
    return plus(one, (-b for b in other))


def inputs(image: Array, guides: list[NDArray[np.uint8]], start: Start) -> Array:
    """Returns the network's input for one tile: the image and its conditioning channels, if there are any."""
    if not guides:
        return image
    whole = np.empty((1 + len(guides), *image.shape), np.float32)
    whole[0] = image
    for channel, into in zip(guides, whole[1:], strict=True):
        np.divide(tile(channel, start, image.shape), np.float32(255), out=into)
    return whole


def wanted_starts(
    shape: tuple[int, ...], patch: tuple[int, ...], window: Window, wanted: NDArray[np.bool_] | None
) -> list[Start]:
    """Returns the corners of the tiles that hold a `wanted` voxel, or of all; `shape` is padded already."""
    starts = list(tile_starts(shape, patch, window))
    if wanted is None:
        return starts
    padded = pad_to_patch(wanted, patch)[0]
    return [start for start in starts if tile(padded, start, patch).any()]


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
