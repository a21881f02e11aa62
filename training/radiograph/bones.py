"""A rough bone mask of a radiograph, for choosing crops and simulating fractures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float32]
# Shares of the full range of grey values: lower limits of soft tissue, of bone, and of the detector's
# bright border
TISSUE = 0.05
BONE = 0.03
WHITE = 0.95
SURROUNDINGS_PIXELS = 41
BORDER_PIXELS = 16


def bone_mask(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """The pixels brighter than the tissue around them, away from the image's border and white areas."""
    image = ndimage.uniform_filter((pixels / 255).astype(np.float32), 3)
    tissue = (image > air_level(image) + TISSUE) & (image < WHITE)
    around = ndimage.uniform_filter(image * tissue, SURROUNDINGS_PIXELS)
    share = ndimage.uniform_filter(tissue.astype(np.float32), SURROUNDINGS_PIXELS)
    bone = tissue & (image > around / np.maximum(share, 0.05) + BONE)
    inside = np.zeros_like(bone)
    inside[BORDER_PIXELS:-BORDER_PIXELS, BORDER_PIXELS:-BORDER_PIXELS] = True
    white = ndimage.binary_dilation(image >= WHITE, iterations=4)
    return ndimage.binary_opening(bone & inside & ~white)


def air_level(image: Floats) -> float:
    """The most frequent grey value of the darker half of the range."""
    counts, edges = np.histogram(image, 32, (0, 0.5))
    return float(edges[counts.argmax() + 1])
