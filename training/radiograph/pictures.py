"""Draws predictions: outlines of the ground truth (red) and of detections (yellow)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.radiographs.detections import Decoding, detections
from training.radiograph.dataset import Mask
from training.radiograph.evaluation import Case

TRUE, FOUND = (255, 60, 60), (255, 230, 0)
TILE_PIXELS = 460
Picture = NDArray[np.uint8]


def sheet(cases: Sequence[Case], columns: int, decoding: Decoding, score_limit: float = 0.0) -> Picture:
    """A contact sheet of the cases, (rows, columns, 3), with the detections above a score."""
    tiles = [tile(picture(case, decoding, score_limit)) for case in cases]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    return np.vstack([np.hstack(tiles[at : at + columns]) for at in range(0, len(tiles), columns)])


def tile(image: Picture) -> Picture:
    """The picture padded to a square tile."""
    square = np.zeros((TILE_PIXELS, TILE_PIXELS, 3), np.uint8)
    square[: image.shape[0], : image.shape[1]] = image
    return square


def picture(case: Case, decoding: Decoding, score_limit: float = 0.0) -> Picture:
    """The greyscale image, rescaled to its range, with both kinds of outlines."""
    grey = case.image.pixels.astype(np.float32)
    low, high = np.percentile(grey, (1, 99))
    shown = np.clip((grey - low) / max(high - low, 1) * 255, 0, 255).astype(np.uint8)
    image = np.repeat(shown[..., None], 3, -1)
    for mask in case.image.masks():
        image[border(mask)] = TRUE
    for one in detections(case.prediction.probabilities, decoding):
        if one.score > score_limit:
            image[border(one.mask)] = FOUND
    return image


def border(mask: Mask) -> Mask:
    """The mask's outermost pixels."""
    edge: Mask = mask & ~ndimage.binary_erosion(mask)
    return edge
