"""Writes preview.png."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from operators.dicom.elements.atomic_file import write_whole


def write_png(picture: NDArray[np.uint8], path: Path) -> Path:
    """Writes an RGB picture (H, W, 3) atomically. Raises OutputError."""
    return write_whole(path, lambda file: Image.fromarray(picture).save(file, format="PNG"))
