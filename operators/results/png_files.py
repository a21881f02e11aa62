"""Writes pictures, and label maps of radiographs, as PNG files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from operators.dicom.elements.atomic_file import write_whole
from operators.segmentation.segmentation import Segmentation

# zlib's levels are 0 to 9 and Pillow's own is 6, with which a radiograph of 2048 x 1765 takes three times as
# long and becomes a seventh smaller (Pillow 13.0)
COMPRESS_LEVEL = 2


def write_png(picture: NDArray[np.uint8], path: Path) -> Path:
    """Writes an RGB picture (H, W, 3) atomically. Raises OutputError."""
    return write_whole(
        path, lambda file: Image.fromarray(picture).save(file, format="PNG", compress_level=COMPRESS_LEVEL)
    )


def write_mask_png(segmentation: Segmentation, path: Path) -> Path:
    """Writes the label values of a radiograph as grey (rows, columns), at its own size; raises OutputError.

    8 bits a pixel, 16 where a value is above 255; 0 is background.
    """
    values = segmentation.label_map.labels[:, :, 0].T
    few = int(values.max(initial=0)) <= np.iinfo(np.uint8).max
    grey = np.ascontiguousarray(values.astype(np.uint8 if few else np.uint16))
    return write_whole(path, lambda file: Image.fromarray(grey).save(file, format="PNG"))
