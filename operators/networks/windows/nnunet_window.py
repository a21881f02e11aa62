"""Runs a published network over a volume, tile by tile; yields rows as soon as no further tile covers them.

Version 2 of nnU-Net averages logits in half precision, version 1 probabilities in single precision; tiles and
mirror images are added in the original's order, so that the exact tiling gives identical sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from operators.networks.runtimes import Runtime
from operators.networks.windows.averages import AVERAGES
from operators.networks.windows.layout import compute_gaussian, pad_to_patch, tile_slices
from operators.networks.windows.tilings import TileLayout, whole
from operators.nnunet.channels import Channels
from operators.packages.plans import Stage

Array = NDArray[np.float32]
Progress = Callable[[float], None]
Run = Callable[[Array], Array]

# The logit of certainty: odds of e to the power of 10
SURE = 10.0
# Rows that are yielded at once: few, as they are held twice
ROWS = 16
# Rows of a tile whose products and sums, in single precision, fit into a processor's cache
CACHED = 4


def answers(
    runs: Sequence[Runtime], channels: Channels, stage: Stage, tiling: TileLayout, progress: Progress
) -> Iterator[torch.Tensor]:
    """Yields the mean output of all folds, in order: tensors (classes, rows, J, K) of all rows."""
    shape, box = channels.image.shape, tiling.box
    if box == whole(shape):
        yield from rows_of(runs, channels, stage, tiling, progress)
        return
    yield from nothing(stage, shape, 0, box[0].start)
    labels = None if channels.labels is None else channels.labels[box]
    inside = replace(channels, image=channels.image[box], labels=labels)
    for rows in rows_of(runs, inside, stage, tiling, progress):
        around = background(stage, (rows.shape[1], *shape[1:]))
        around[:, :, box[1], box[2]] = rows
        yield around
    yield from nothing(stage, shape, box[0].stop, shape[0])


def nothing(stage: Stage, shape: Sequence[int], begin: int, end: int) -> Iterator[torch.Tensor]:
    """Yields rows of background."""
    for rows in chunks(begin, end):
        yield background(stage, (rows.stop - rows.start, *shape[1:]))


def rows_of(
    runs: Sequence[Runtime], channels: Channels, stage: Stage, tiling: TileLayout, progress: Progress
) -> Iterator[torch.Tensor]:
    """Yields mean outputs of rows within the tiling's box, to which `channels` are cropped."""
    padded, offset = padded_to(channels, tiling.patch)
    shape = padded.image.shape
    inner = [slice(o, o + n) for o, n in zip(offset, channels.image.shape, strict=True)]
    sums = [Sums(stage, shape, tiling) for _ in (runs[:1] if tiling.folds_together else runs)]
    done, count = 0, len(tiling.corners) * len(runs)
    for row, until in pairwise((*tiling.rows, shape[0])):
        for number, run in enumerate(runs):
            for corner in tiling.layer(row):
                found = mirrored(run, padded.tile(tile_slices(corner, tiling.patch)), stage, tiling)
                sums[number % len(sums)].add((0, *corner[1:]), found)
                done += 1
                progress(done / count)
            if len(runs) > 1:
                run.rest()
        for rows in chunks(max(row, inner[0].start) - row, min(until, inner[0].stop) - row):
            yield mean([total.mean(rows) for total in sums])[:, :, inner[1], inner[2]]
        for total in sums:
            total.move_on(until - row)


class Sums:
    """Weighted sums of the outputs of as many rows as a tile has, and the sums of their weights."""

    def __init__(self, stage: Stage, shape: Sequence[int], tiling: TileLayout) -> None:
        average = AVERAGES[stage.recipe.averaged]
        kind = average.kind
        # Half precision ends at 65504: sums over several folds get smaller weights
        share = len(stage.folds) if tiling.folds_together else 1
        self.stage, self.patch = stage, tiling.patch
        self.total = torch.zeros((len(stage.spec.classes), tiling.patch[0], *shape[1:]), dtype=kind)
        self.weight = torch.zeros((tiling.patch[0], *shape[1:]), dtype=kind)
        self.gauss = compute_gaussian(tiling.patch, average.top / share, tiling.least, kind)
        if len(tiling.corners) == 1 and not average.lone:
            self.gauss.fill_(1)

    def add(self, corner: Sequence[int], found: Array) -> None:
        """Adds one tile's output (classes, ...)."""
        where = tile_slices(corner, self.patch)
        total, weight = self.total[(slice(None), *where)], self.weight[where]
        answers = torch.from_numpy(found).reshape(-1, *self.patch)
        for rows in chunks(0, self.patch[0], CACHED):
            gauss = self.gauss[rows]
            weight[rows] += gauss
            for into, answer in zip(total, answers, strict=True):
                into[rows] += answer[rows] * gauss

    def mean(self, rows: slice) -> torch.Tensor:
        """Returns weighted means of some rows; background where there was no tile."""
        weight = self.weight[rows]
        means = self.total[:, rows] / weight
        missing = weight == 0
        if missing.any():
            means[:, missing] = background(self.stage, (int(missing.sum()),))
        return means

    def move_on(self, count: int) -> None:
        """Drops the first `count` rows, which are finished."""
        for rows in (*self.total, self.weight):
            rows[: len(rows) - count] = rows[count:].clone()
            rows[len(rows) - count :] = 0


def chunks(begin: int, end: int, rows: int = ROWS) -> Iterator[slice]:
    """Yields slices of a few rows at a time."""
    for start in range(begin, end, rows):
        yield slice(start, min(start + rows, end))


def mean(answers: list[torch.Tensor]) -> torch.Tensor:
    """Returns the mean of all folds, in their own precision; it may overwrite the first."""
    total = answers[0]
    for answer in answers[1:]:
        total += answer
    return total if len(answers) == 1 else total.div_(len(answers))


def background(stage: Stage, shape: tuple[int, ...]) -> torch.Tensor:
    """Returns the output (classes, ...) of background."""
    recipe, kind = stage.recipe, AVERAGES[stage.recipe.averaged].kind
    if recipe.regions:
        return torch.full((len(stage.spec.classes), *shape), -SURE, dtype=kind)
    nothing = torch.zeros((len(stage.spec.classes), *shape), dtype=kind)
    nothing[0] = SURE if recipe.averaged == "logits" else 1
    return nothing


def padded_to(channels: Channels, patch: tuple[int, ...]) -> tuple[Channels, tuple[int, ...]]:
    """Pads all channels with zeros to a patch; returns them and the voxels added before them."""
    image, offset = pad_to_patch(channels.image, patch)
    labels = None if channels.labels is None else pad_to_patch(channels.labels, patch)[0]
    return replace(channels, image=image, labels=labels), offset


def mirrored(run: Run, tile: Array, stage: Stage, tiling: TileLayout) -> Array:
    """Returns the mean output (classes, ...) of a tile (channels, I, J, K) and its mirror images."""
    average = AVERAGES[stage.recipe.averaged]
    flat = tile.reshape(len(tile), *tile.shape[-stage.spec.dimensions :])
    if not tiling.mirror_axes:
        return average.become(run(flat))
    total = np.array(average.become(run(flat)))
    sets = average.mirrors(tiling.mirror_axes)
    for some in sets:
        flipped = tuple(axis + 1 for axis in some)
        answer = average.become(run(np.ascontiguousarray(np.flip(flat, flipped))))
        total += np.flip(answer, flipped)
    total /= len(sets) + 1
    return total
