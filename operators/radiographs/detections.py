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
    """How a map becomes detections: components above a threshold and above a share of their highest value.

    These cores of at least `fewest_pixels` are dilated by `dilation` pixels: a map is sure of less than the
    outlines that it learned from.
    """

    threshold: float = 0.3
    share: float = 0.0
    fewest_pixels: int = FEWEST_PIXELS
    dilation: int = 0


@dataclass(frozen=True, eq=False)
class Detection:
    """A detected fracture: its pixels, its score from 0 to 1, and its peak, the pixel of the highest value.

    `box` is the bounding box of its pixels.
    """

    mask: Mask
    score: float
    peak: tuple[int, int]
    box: Box


def detections(probabilities: Floats, decoding: Decoding) -> list[Detection]:
    """Returns the detections in a probability map (rows, columns); a score is the mean of a core's pixels."""
    found = []
    for inside, box in parts(probabilities > decoding.threshold):
        peak = float(probabilities[box][inside].max())
        level = max(decoding.threshold, decoding.share * peak)
        core = inside & (probabilities[box] >= level)
        if core.sum() >= decoding.fewest_pixels:
            found.append(detection(probabilities, core, box, decoding.dilation))
    return found


def parts(mask: Mask) -> Iterator[tuple[Mask, Box]]:
    """Yields the connected components of a mask, each within its bounding box."""
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    for label, box in enumerate(ndimage.find_objects(labels), 1):
        yield labels[box] == label, box


def detection(probabilities: Floats, core: Mask, box: Box, dilation: int) -> Detection:
    """Returns a detection from the core in a box."""
    values = np.where(core, probabilities[box], 0)
    row, column = np.unravel_index(values.argmax(), values.shape)
    peak = (int(row) + box[0].start, int(column) + box[1].start)
    mask = np.zeros(probabilities.shape, bool)
    mask[box] = core
    if dilation:
        around = tuple(slice(max(side.start - dilation, 0), side.stop + dilation) for side in box)
        mask[around] = ndimage.distance_transform_edt(~mask[around]) <= dilation
    (filled,) = ndimage.find_objects(mask.view(np.uint8))
    return Detection(mask, float(probabilities[box][core].mean()), peak, filled)
