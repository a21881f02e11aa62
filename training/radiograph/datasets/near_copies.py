"""Finds images of the same exposure, rotated, mirrored or shifted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft, ndimage

from training.radiograph.datasets.radiograph import Pixels

Floats = NDArray[np.float64]
COARSE_PIXELS = 24
FINE_PIXELS = 96
# Pairs with a lower correlation of their coarse images are not examined further
COARSE_ALIKE = 0.85
CANDIDATES = 3
# Correlation without the low frequencies. Among FracAtlas' training and development images that of copies
# is 0.96 or more, that of other images of the same body part 0.87 or less.
COPY_ALIKE = 0.92
# Two hands on the same plate, one of them labelled as fractured, have 0.93, as the plate's border is alike.
# Pairs above this are certainly the same exposure.
SAME_EXPOSURE = 0.96
# Without padding the correlation of a pair is slightly different; pairs below this are not examined further
CIRCULAR_ALIKE = 0.8
# Rows of the product of coarse images at a time
BLOCK = 512
# Images of one examination have consecutive numbers
NEIGHBOURS = 2


def copy_pairs(images: Sequence[Pixels]) -> dict[tuple[int, int], float]:
    """Returns all pairs of near copies, by index, the smaller one first, with their correlation.

    The first pass, over coarse images, is one matrix product; the second compares spectra of `fine` images
    without padding; the third is `correlation`.
    """
    if not images:
        return {}
    small_ones = np.stack([fine(image) for image in images])
    spectra = fft.rfft2(small_ones.astype(np.float32))
    norms = np.linalg.norm(small_ones, axis=(1, 2))
    found: dict[tuple[int, int], float] = {}
    for turns, mirror in product(range(4), (False, True)):
        turn = partial(turned, quarter_turns=turns, mirror=mirror)
        for at, others in likely(images, turn):
            seen = fft.rfft2(turn(small_ones[at]).astype(np.float32))
            peaks = fft.irfft2(seen * np.conj(spectra[others])).max((1, 2))
            alike = peaks / np.maximum(norms[at] * norms[others], 1e-9)
            for other in others[alike > CIRCULAR_ALIKE]:
                pair = min(at, int(other)), max(at, int(other))
                value = correlation(turn(images[at]), images[other])
                found[pair] = max(found.get(pair, -1.0), value)
    return {pair: value for pair, value in sorted(found.items()) if value > COPY_ALIKE}


def likely(
    images: Sequence[Pixels], turn: Callable[[NDArray[Any]], NDArray[Any]]
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yields the images whose coarse version, once rotated, is most similar to each image's."""
    if len(images) < 2:
        return
    vectors = np.stack([coarse(image) for image in images]).astype(np.float32)
    squares = vectors.reshape(-1, COARSE_PIXELS, COARSE_PIXELS)
    most = min(CANDIDATES, len(images) - 1)
    for start in range(0, len(images), BLOCK):
        block = np.stack([turn(one).ravel() for one in squares[start : start + BLOCK]])
        alike = block @ vectors.T
        alike[np.arange(len(block)), np.arange(start, start + len(block))] = -1
        best = np.argpartition(-alike, most - 1, axis=1)[:, :most]
        for row, others in enumerate(best):
            chosen = others[alike[row, others] > COARSE_ALIKE]
            if len(chosen):
                yield start + row, chosen


def turned(pixels: NDArray[Any], quarter_turns: int, mirror: bool) -> NDArray[Any]:
    """Returns the image after quarter turns and, optionally, mirroring."""
    image = np.rot90(pixels, quarter_turns)
    return image[:, ::-1] if mirror else image


def coarse(pixels: Pixels) -> Floats:
    """Returns a small version of the image as a vector of mean 0 and length 1."""
    vector = small(pixels, COARSE_PIXELS).ravel()
    vector = vector - vector.mean()
    return vector / max(float(np.linalg.norm(vector)), 1e-9)


def correlation(one: Pixels, other: Pixels) -> float:
    """Returns the correlation of two images' fine structure at the shift where they agree best."""
    first, second = fine(one), fine(other)
    size = (2 * FINE_PIXELS, 2 * FINE_PIXELS)
    product_ = np.fft.rfft2(first, size) * np.conj(np.fft.rfft2(second, size))
    norm = np.linalg.norm(first) * np.linalg.norm(second)
    return float(np.fft.irfft2(product_, size).max() / max(norm, 1e-9))


def fine(pixels: Pixels) -> Floats:
    """Returns a small version of the image without its low frequencies."""
    image = small(pixels, FINE_PIXELS)
    image = image - ndimage.gaussian_filter(image, 4)
    return image - image.mean()


def small(pixels: Pixels, side: int) -> Floats:
    """Returns the image resized to a square of `side` pixels."""
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BOX), np.float64)
