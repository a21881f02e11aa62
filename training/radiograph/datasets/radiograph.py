"""A radiograph with outlined fractures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

# The attributes of an image that the network also predicts: columns of images.csv, each 0 or 1
ATTRIBUTES = (
    "hand",
    "leg",
    "hip",
    "shoulder",
    "mixed",
    "hardware",
    "multiscan",
    "frontal",
    "lateral",
    "oblique",
)
# What else it predicts: how a view shows the image, which training decides
ORIENTATION = ("upside_down", "mirrored")
RECOGNISED = (*ATTRIBUTES, *ORIENTATION)
UNKNOWN = (float("nan"),) * len(ATTRIBUTES)
Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Polygon = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Radiograph:
    """One image: grey values (rows, columns) and the outlines of its fractures.

    An outline is a tuple of polygons, each (corners, 2) as x, y in pixels of `pixels`.
    """

    name: str
    split: str
    pixels: Pixels
    outlines: tuple[tuple[Polygon, ...], ...]
    fractured: bool
    attributes: tuple[float, ...]

    @property
    def hardware(self) -> bool:
        """Whether the image shows metal."""
        return self.attributes[ATTRIBUTES.index("hardware")] > 0

    @property
    def outlined(self) -> bool:
        """Whether its fractured pixels are known: it has outlines, or is not fractured."""
        return bool(self.outlines) or not self.fractured

    def masks(self) -> list[Mask]:
        """Returns the masks of the fractures, each of the image's shape."""
        return [fill(outline, self.pixels.shape) for outline in self.outlines]

    def mask(self) -> Mask:
        """Returns the mask of all fractures of the image."""
        return np.logical_or.reduce([np.zeros(self.pixels.shape, bool), *self.masks()])


def fill(outline: tuple[Polygon, ...], shape: tuple[int, ...]) -> Mask:
    """Returns the pixels inside an outline's polygons."""
    image = Image.new("1", (shape[1], shape[0]))
    draw = ImageDraw.Draw(image)
    for polygon in outline:
        draw.polygon([(float(x), float(y)) for x, y in polygon], fill=1, outline=1)
    return np.array(image, bool)
