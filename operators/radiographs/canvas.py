"""A radiograph on the canvas that a network reads, and a map of the canvas back on the radiograph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]
Shape = tuple[int, int]
# The longest side, in pixels, at which images were trained on: larger ones are made smaller first
LONGEST_PIXELS = 454


@dataclass(frozen=True, eq=False)
class Canvas:
    """An image upright in the upper left corner of a canvas: `grey` (rows, columns), 0 beside the image.

    `shape` is the image's own, `used` the rows and columns that it fills, `turned` whether it was turned by
    90 degrees to lie upright.
    """

    grey: Floats
    shape: Shape
    used: Shape
    turned: bool

    def back(self, maps: Floats) -> Floats:
        """A map of the canvas, at any resolution, on the image's pixels."""
        full = resized(maps, (self.grey.shape[0], self.grey.shape[1]))[: self.used[0], : self.used[1]]
        upright = self.shape[::-1] if self.turned else self.shape
        plain = resized(full, upright)
        return np.ascontiguousarray(np.rot90(plain, -1) if self.turned else plain)


def on_canvas(grey: Floats, size: Shape) -> Canvas:
    """The image (rows, columns), from 0 to 1, as large as it fits on a canvas of `size`."""
    turned = grey.shape[1] > grey.shape[0]
    upright = np.rot90(grey) if turned else grey
    zoom = canvas_zoom(grey.shape, size)
    rows, columns = (min(round(n * zoom), m) for n, m in zip(upright.shape, size, strict=True))
    canvas = np.zeros(size, np.float32)
    canvas[:rows, :columns] = resized(upright, (rows, columns))
    return Canvas(canvas, (grey.shape[0], grey.shape[1]), (rows, columns), turned)


def canvas_zoom(shape: tuple[int, ...], size: Shape) -> float:
    """The zoom at which an image of `shape` just fits a canvas, upright."""
    return min(max(size) / max(shape), min(size) / min(shape))


def shrunk(grey: Floats, longest_pixels: int = LONGEST_PIXELS) -> Floats:
    """The image with a longest side of at most so many pixels: means of the pixels that become one."""
    scale = longest_pixels / max(grey.shape)
    if scale >= 1:
        return grey
    rows, columns = (max(round(n * scale), 1) for n in grey.shape)
    return resized(grey, (rows, columns), Image.Resampling.BOX)


def resized(image: Floats, shape: Shape, method: Image.Resampling = Image.Resampling.BILINEAR) -> Floats:
    """An image (rows, columns) of another shape; smaller ones are smoothed first, as Pillow does."""
    if image.shape == shape:
        return np.asarray(image, np.float32)
    plane = Image.fromarray(np.ascontiguousarray(image, np.float32))
    return np.asarray(plane.resize((shape[1], shape[0]), method), np.float32)
