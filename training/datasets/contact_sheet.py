"""One picture of a whole data set: a tile for each case, with what is labelled in colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import binary_erosion

from operators.geometry.volume import CtVolume, LabelMap
from operators.results.png_files import write_png
from training.radiograph.datasets.radiograph import Radiograph

Pixels = NDArray[np.uint8]
Hu = NDArray[np.int16] | NDArray[np.float32]
TILE, CAPTION, ACROSS = 240, 14, 1940
# Tiles of one sheet, evenly spaced among more cases
MOST = 160
DOWN, BETWEEN = TILE + CAPTION + 2, (40, 40, 40)
SHEET = "contact_sheet.png"
# A window of bone and soft tissue, as viewers have it for trauma
WINDOW_HU = (-250.0, 900.0)
# Okabe and Ito's colours, which colour-blind readers can distinguish (jfly.uni-koeln.de/color)
PALETTE = np.array(
    [
        [230, 159, 0],
        [86, 180, 233],
        [0, 158, 115],
        [240, 228, 66],
        [0, 114, 178],
        [213, 94, 0],
        [204, 121, 167],
    ],
    np.uint8,
)
OVERLAY = 0.35


def shown(names: Sequence[str]) -> set[str]:
    """Returns the cases that a sheet shows: all, or evenly spaced ones of many."""
    return {names[int(at)] for at in np.linspace(0, len(names) - 1, min(MOST, len(names)))}


def volume_tile(image: CtVolume, labels: LabelMap) -> Pixels:
    """Returns the axial and the coronal slice with most labels, side by side, as a viewer shows them.

    Right of the patient is left in the picture, superior is up.
    """
    order, flips = axes_of(image.grid.ijk_to_lps)
    hu = np.flip(np.transpose(image.hu, order), flips)
    values = np.flip(np.transpose(labels.labels, order), flips)
    spacing = [image.grid.spacing_mm[axis] for axis in order]
    return np.concatenate([slice_tile(hu, values, spacing, axis) for axis in (2, 1)], axis=1)


def axes_of(ijk_to_lps: NDArray[np.float64]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Returns the array's axes along left, posterior, superior, and those of them that run the other way."""
    turn = ijk_to_lps[:3, :3] / np.linalg.norm(ijk_to_lps[:3, :3], axis=0)
    left_out, order = {0, 1, 2}, []
    for row in turn:
        axis = max(left_out, key=lambda each, row=row: abs(row[each]))  # type: ignore[misc]
        left_out.remove(axis)
        order.append(axis)
    return tuple(order), tuple(n for n, axis in enumerate(order) if turn[n, axis] < 0)


def slice_tile(hu: Hu, values: NDArray[np.unsignedinteger], spacing: Sequence[float], axis: int) -> Pixels:
    """Returns the slice across an axis with most labels."""
    across = tuple(n for n in range(3) if n != axis)
    at = int(np.count_nonzero(values, axis=across).argmax()) if values.any() else hu.shape[axis] // 2
    grey, marks = np.take(hu, at, axis).T, np.take(values, at, axis).T
    if axis == 1:
        grey, marks = grey[::-1], marks[::-1]
    shown = in_colours(window(grey), marks)
    rows, columns = grey.shape[0] * spacing[across[1]], grey.shape[1] * spacing[across[0]]
    return fitted(shown, (columns, rows))


def window(hu: Hu) -> Pixels:
    """Hounsfield units as grey."""
    low, high = WINDOW_HU
    return (np.clip((hu.astype(np.float32) - low) / (high - low), 0, 1) * 255).astype(np.uint8)


def in_colours(grey: Pixels, marks: NDArray[np.unsignedinteger]) -> Pixels:
    """Grey with labels in colours: the outline opaque, the rest pale."""
    picture = np.repeat(grey[..., None], 3, axis=2).astype(np.float32)
    for value in np.unique(marks[marks > 0]):
        inside = marks == value
        edge = inside & ~binary_erosion(inside)
        colour = PALETTE[(int(value) - 1) % len(PALETTE)].astype(np.float32)
        picture[inside] = (1 - OVERLAY) * picture[inside] + OVERLAY * colour
        picture[edge] = colour
    return picture.astype(np.uint8)


def radiograph_tile(image: Radiograph) -> Pixels:
    """Returns a radiograph with its outlines."""
    marks = image.mask().astype(np.uint8)
    rows, columns = image.pixels.shape
    return fitted(in_colours(image.pixels, marks), (columns, rows))


def fitted(picture: Pixels, size: tuple[float, float]) -> Pixels:
    """Returns a picture of a physical size (width, height), scaled into the middle of a tile."""
    scale = TILE / max(size)
    width, height = (max(round(side * scale), 1) for side in size)
    small = Image.fromarray(np.ascontiguousarray(picture)).resize((width, height), Image.Resampling.BILINEAR)
    tile = Image.new("RGB", (TILE, TILE))
    tile.paste(small, ((TILE - width) // 2, (TILE - height) // 2))
    return np.asarray(tile)


def write_sheet(tiles: Sequence[tuple[str, Pixels]], folder: Path) -> Path:
    """Writes all tiles with their names as one PNG, and returns its path. Raises OutputError."""
    across = max((tile.shape[1] for _, tile in tiles), default=TILE) + 2
    columns = max(min(ACROSS // across, len(tiles)), 1)
    sheet = Image.new("RGB", (columns * across, math.ceil(len(tiles) / columns) * DOWN), BETWEEN)
    draw = ImageDraw.Draw(sheet)
    for at, (name, tile) in enumerate(tiles):
        x, y = at % columns * across, at // columns * DOWN
        sheet.paste(Image.fromarray(tile), (x, y + CAPTION))
        draw.text((x + 2, y + 1), name[: across // 7], fill=(255, 255, 255))
    return write_png(np.asarray(sheet), folder / SHEET)
