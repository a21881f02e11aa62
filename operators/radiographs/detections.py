"""Detects fractures in a probability map."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Box = tuple[slice, slice]
# Components of fewer pixels are not detections
FEWEST_PIXELS = 12


@dataclass(frozen=True)
class Decoding:
    """How a map becomes detections: components above a threshold and above a share of their highest value."""

    threshold: float = 0.3
    share: float = 0.0
    fewest_pixels: int = FEWEST_PIXELS


@dataclass(frozen=True, eq=False)
class Detection:
    """A detected fracture: its pixels, its score from 0 to 1, and its peak, the pixel of the highest value.

    `level` is the probability above which its pixels lie, `box` their bounding box in the map.
    """

    mask: Mask
    score: float
    peak: tuple[int, int]
    level: float
    box: Box


def detections(probabilities: Floats, decoding: Decoding) -> list[Detection]:
    """Returns the detections in a probability map (rows, columns); a score is the mean of its pixels."""
    found = []
    for inside, box in parts(probabilities > decoding.threshold):
        peak = float(probabilities[box][inside].max())
        level = max(decoding.threshold, decoding.share * peak)
        core = inside & (probabilities[box] >= level)
        if core.sum() >= decoding.fewest_pixels:
            found.append(detection(probabilities, core, box, level))
    return found


def parts(mask: Mask) -> Iterator[tuple[Mask, Box]]:
    """Yields the connected components of a mask, each within its bounding box."""
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    for label, box in enumerate(ndimage.find_objects(labels), 1):
        yield labels[box] == label, box


def detection(probabilities: Floats, inside: Mask, box: Box, level: float) -> Detection:
    """Returns a detection from the pixels of a box."""
    values = np.where(inside, probabilities[box], 0)
    row, column = np.unravel_index(values.argmax(), values.shape)
    mask = np.zeros(probabilities.shape, bool)
    mask[box] = inside
    peak = (int(row) + box[0].start, int(column) + box[1].start)
    return Detection(mask, float(probabilities[box][inside].mean()), peak, level, box)
