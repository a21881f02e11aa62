"""Places a radiograph on the canvas that a network reads, and maps the canvas back to the radiograph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]
Shape = tuple[int, int]
# The longest side of training images, in pixels: larger images are downsampled first
LONGEST_PIXELS = 454


@dataclass(frozen=True, eq=False)
class Canvas:
    """An image upright in the middle of a canvas: `grey` (rows, columns), 0 beside the image.

    In the middle, as in training, so that mirror images of the canvas show it at the same place.

    `shape` is the image's own, `used` the rows and columns that it fills, `turned` whether it was rotated by
    90 degrees to be upright.
    """

    grey: Floats
    shape: Shape
    used: Shape
    turned: bool

    @property
    def block(self) -> tuple[slice, slice]:
        """The rows and columns of the canvas that the image fills."""
        starts = ((n - m) // 2 for n, m in zip(self.grey.shape, self.used, strict=True))
        rows, columns = (slice(at, at + m) for at, m in zip(starts, self.used, strict=True))
        return rows, columns

    def back(self, maps: Floats) -> Floats:
        """Resamples a map of the canvas, at any resolution, to the image's pixels."""
        rows, columns = self.block
        full = resized(maps, (self.grey.shape[0], self.grey.shape[1]))[rows, columns]
        upright = self.shape[::-1] if self.turned else self.shape
        plain = resized(full, upright)
        return np.ascontiguousarray(np.rot90(plain, -1) if self.turned else plain)


def on_canvas(grey: Floats, size: Shape) -> Canvas:
    """Returns the image (rows, columns), from 0 to 1, scaled to fit a canvas of `size`."""
    turned = grey.shape[1] > grey.shape[0]
    upright = np.rot90(grey) if turned else grey
    zoom = canvas_zoom(grey.shape, size)
    rows, columns = (min(round(n * zoom), m) for n, m in zip(upright.shape, size, strict=True))
    canvas = Canvas(np.zeros(size, np.float32), (grey.shape[0], grey.shape[1]), (rows, columns), turned)
    canvas.grey[canvas.block] = resized(upright, (rows, columns))
    return canvas


def canvas_zoom(shape: tuple[int, ...], size: Shape) -> float:
    """Returns the zoom at which an image of `shape` just fits a canvas, upright."""
    return min(max(size) / max(shape), min(size) / min(shape))


def shrunk(grey: Floats) -> Floats:
    """Returns the image downsampled to a longest side of at most LONGEST_PIXELS, by area means."""
    scale = LONGEST_PIXELS / max(grey.shape)
    if scale >= 1:
        return grey
    rows, columns = (max(round(n * scale), 1) for n in grey.shape)
    return resized(grey, (rows, columns), Image.Resampling.BOX)


def resized(image: Floats, shape: Shape, method: Image.Resampling = Image.Resampling.BILINEAR) -> Floats:
    """Returns the image (rows, columns) resized to a shape; downsampling is antialiased, as in Pillow."""
    if image.shape == shape:
        return np.asarray(image, np.float32)
    plane = Image.fromarray(np.ascontiguousarray(image, np.float32))
    return np.asarray(plane.resize((shape[1], shape[0]), method), np.float32)
