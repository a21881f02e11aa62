"""A published network over a volume exactly as nnU-Net runs it: its tiles, weights, mirroring, precision.

Version 2 averages logits in half precision, version 1 probabilities in single precision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.imaging.channels import Channels
from operators.imaging.packages import NetworkSpec
from operators.imaging.preparation import sigmoid
from operators.imaging.recipes import Recipe, Stage
from operators.networks.sliding_window import pad_to_patch, softmax

Array = NDArray[np.float32]
Answer = NDArray[np.float16] | NDArray[np.float32]
Run = Callable[[Array], Array]
Progress = Callable[[float], None]
Slices = tuple[slice, ...]

# What is averaged: its precision, the greatest weight of a tile's Gaussian, what each output becomes
AVERAGES: dict[str, tuple[type[np.floating], float, Callable[[Array], Array]]] = {
    "logits": (np.float16, 10.0, lambda logits: logits),
    "probabilities": (np.float32, 1.0, softmax),
}


def predict_folds(runs: Sequence[Run], channels: Channels, stage: Stage, progress: Progress) -> Answer:
    """The mean of all folds' answers (classes, I, J, K)."""
    total: Answer | None = None
    for number, run in enumerate(runs):
        def step(done: float, before: int = number) -> None:
            progress((before + done) / len(runs))

        answer = predict_exactly(run, channels, stage.spec, stage.recipe, step)
        total = answer if total is None else np.add(total, answer, out=total)
    if total is None:
        raise ValueError("expected at least one fold")
    return total if len(runs) == 1 else np.divide(total, len(runs), out=total)


def predict_exactly(
    run: Run, channels: Channels, spec: NetworkSpec, recipe: Recipe, progress: Progress
) -> Answer:
    """What one fold says (classes, I, J, K) of what was prepared for it.

    A network of two dimensions goes over the slices of the first axis.
    """
    kind, top, become = AVERAGES[recipe.averaged]
    patch = (1,) * (3 - spec.dimensions) + spec.patch
    padded, offset = padded_to(channels, patch)
    total = np.zeros((len(spec.classes), *padded.image.shape), kind)
    weight = np.zeros(padded.image.shape, kind)
    gauss = gaussian(spec.patch, top, kind).reshape(patch)
    tiles = list(tiles_of(padded.image.shape, patch, recipe.step))
    for done, tile in enumerate(tiles, start=1):
        read = padded.tile(tile).reshape(padded.count, *spec.patch)
        found = mirrored(run, read, recipe.mirror_axes, become)
        into = total[(slice(None), *tile)]
        weighted = found.reshape(-1, *patch) * gauss.astype(np.float32)
        np.add(into, weighted, out=into, casting="same_kind")
        weight[tile] += gauss
        progress(done / len(tiles))
    total /= weight
    inner = tuple(slice(o, o + n) for o, n in zip(offset, channels.image.shape, strict=True))
    answer: Answer = total[(slice(None), *inner)]
    return answer


def padded_to(channels: Channels, patch: tuple[int, ...]) -> tuple[Channels, tuple[int, ...]]:
    """Zeros around all channels where they are smaller than a patch, and how many stand before them."""
    image, offset = pad_to_patch(channels.image, patch)
    labels = None if channels.labels is None else pad_to_patch(channels.labels, patch)[0]
    return replace(channels, image=image, labels=labels), offset


def mirrored(run: Run, tile: Array, axes: tuple[int, ...], become: Callable[[Array], Array]) -> Array:
    """The mean answer (classes, ...) over a tile (channels, ...) and its mirror images along all `axes`."""
    total = np.array(become(run(tile)))
    sets = [some for count in range(1, len(axes) + 1) for some in combinations(axes, count)]
    for some in sets:
        flipped = tuple(axis + 1 for axis in some)
        answer = become(run(np.ascontiguousarray(np.flip(tile, flipped))))
        total += np.flip(answer, flipped)
    total /= len(sets) + 1
    return total


def tiles_of(shape: Sequence[int], patch: Sequence[int], step: float) -> Iterator[Slices]:
    """nnU-Net's tiles: evenly spread, at most `step` of a patch apart."""
    starts = []
    for n, side in zip(shape, patch, strict=True):
        count = int(np.ceil((n - side) / (side * step))) + 1
        apart = (n - side) / (count - 1) if count > 1 else 0
        starts.append([int(np.round(apart * number)) for number in range(count)])
    for corner in product(*starts):
        yield tuple(slice(start, start + side) for start, side in zip(corner, patch, strict=True))


def gaussian(patch: tuple[int, ...], top: float, kind: type[np.floating]) -> NDArray[np.floating]:
    """Weights of a tile: a point smeared by an eighth of each side, `top` at most, nowhere 0."""
    point = np.zeros(patch)
    point[tuple(side // 2 for side in patch)] = 1
    smeared = ndimage.gaussian_filter(point, [side / 8 for side in patch], mode="constant")
    weights = (smeared / (smeared.max() / top)).astype(kind)
    weights[weights == 0] = weights[weights > 0].min()
    return weights


def certainties(answer: Answer, recipe: Recipe) -> dict[int, float]:
    """For each value that wins anywhere, its mean probability there; slice by slice, to hold little."""
    sums, counts = np.zeros(256), np.zeros(256)
    for number in range(answer.shape[1]):
        values, sure = winning(answer[:, number].astype(np.float32), recipe)
        sums += np.bincount(values.ravel(), weights=sure.ravel(), minlength=256)
        counts += np.bincount(values.ravel(), minlength=256)
    return {int(value): float(sums[value] / counts[value]) for value in np.flatnonzero(counts)}


def winning(logits: Array, recipe: Recipe) -> tuple[NDArray[np.intp], Array]:
    """The value of each voxel of a slice (classes, J, K), and its probability."""
    if not recipe.regions:
        shares = softmax(logits) if recipe.averaged == "logits" else logits
        return shares.argmax(axis=0), shares.max(axis=0)
    values = np.zeros(logits.shape[1:], np.intp)
    sure = np.zeros(logits.shape[1:], np.float32)
    for value, channel in zip(recipe.regions, sigmoid(logits), strict=True):
        values[channel > 0.5], sure[channel > 0.5] = value, channel[channel > 0.5]
    return values, sure
