"""A still picture of a CT, which a browser shows before its graphics are ready."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.web.viewing.nifti_stream import RAS
from operators.geometry.orientation import turn_to
from operators.geometry.volume import CtVolume

# About as high as the viewer's panel
HEIGHT = 544


def still_picture(volume: CtVolume, window_hu: tuple[float, float]) -> bytes:
    """Returns the middle coronal, sagittal and axial plane as PNG, as the viewer places them: the patient's
    right on the left, the front of the sagittal plane on the right.
    """
    turn = turn_to(volume.grid, RAS)
    turned = turn.apply(volume.hu)
    z_mm, y_mm, x_mm = turn.reorder(tuple(volume.grid.spacing_mm))
    z, y, x = (size // 2 for size in turned.shape)
    depth, height, width = (size * mm for size, mm in zip(turned.shape, (z_mm, y_mm, x_mm), strict=True))
    scale = HEIGHT / (depth + height)
    tiles = (
        (turned[::-1, y, ::-1], (width, depth), (0, 0)),
        (turned[::-1, :, x], (height, depth), (width, 0)),
        (turned[z, ::-1, ::-1], (width, height), (0, depth)),
    )
    sheet = Image.new("L", (round((width + height) * scale), HEIGHT))
    for plane, size_mm, place_mm in tiles:
        size = [max(round(mm * scale), 1) for mm in size_mm]
        tile = Image.fromarray(grey_of(plane, window_hu)).resize((size[0], size[1]))
        sheet.paste(tile, (round(place_mm[0] * scale), round(place_mm[1] * scale)))
    file = BytesIO()
    sheet.save(file, format="PNG", compress_level=1)
    return file.getvalue()


def grey_of(plane: NDArray[np.generic], window_hu: tuple[float, float]) -> NDArray[np.uint8]:
    """Returns Hounsfield units as grey within a window."""
    low, high = window_hu
    share = (np.asarray(plane, np.float32) - low) / (high - low)
    return (np.clip(share, 0, 1) * 255).astype(np.uint8)
