"""Radiographs with outlined fractures, read from Osteon's layout."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from operators.radiographs.canvas import LONGEST_PIXELS

# The attributes that the network also predicts: columns of images.csv, each 0 or 1
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
        """The masks of the fractures, each of the image's shape."""
        return [fill(outline, self.pixels.shape) for outline in self.outlines]

    def mask(self) -> Mask:
        """The mask of all fractures of the image."""
        return np.logical_or.reduce([np.zeros(self.pixels.shape, bool), *self.masks()])


def fill(outline: tuple[Polygon, ...], shape: tuple[int, ...]) -> Mask:
    """The pixels inside an outline's polygons."""
    image = Image.new("1", (shape[1], shape[0]))
    draw = ImageDraw.Draw(image)
    for polygon in outline:
        draw.polygon([(float(x), float(y)) for x, y in polygon], fill=1, outline=1)
    return np.array(image, bool)


def read_dataset(
    folder: Path, longest_pixels: int = LONGEST_PIXELS, split: str | None = None
) -> list[Radiograph]:
    """The images of `images.csv`, or those of one split, in its order.

    Raises ValueError if an outlined image is not listed.
    """
    outlines = read_outlines(folder / "fractures.json")
    with (folder / "images.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    unknown = sorted(set(outlines) - {row["file"] for row in rows})
    if unknown:
        raise ValueError(f"fractures.json outlines {unknown[0]}, which images.csv does not list")
    return [
        read_radiograph(folder / "images", row, outlines[row["file"]], longest_pixels)
        for row in rows
        if split in (None, row["split"])
    ]


def read_outlines(path: Path) -> dict[str, list[list[list[float]]]]:
    """The polygons of each file's fractures, from a COCO file of one category."""
    content = json.loads(path.read_text(encoding="utf-8"))
    names = {image["id"]: image["file_name"] for image in content["images"]}
    outlines: dict[str, list[list[list[float]]]] = defaultdict(list)
    for annotation in content["annotations"]:
        outlines[names[annotation["image_id"]]].append(annotation["segmentation"])
    return outlines


def read_radiograph(
    folder: Path, row: dict[str, Any], outlines: list[list[list[float]]], longest_pixels: int
) -> Radiograph:
    """One image, downsampled to `longest_pixels` if it is larger, with its outlines."""
    with Image.open(folder / row["file"]) as file:
        image = file.convert("L")
    image, scale = shrink(image, longest_pixels)
    return Radiograph(
        name=row["file"],
        split=row["split"],
        pixels=np.asarray(image, np.uint8),
        outlines=outlined([[np.reshape(one, (-1, 2)) for one in outline] for outline in outlines], scale),
        fractured=row["fractured"] == "1",
        attributes=tuple(float(row[name]) for name in ATTRIBUTES),
    )


def shrink(image: Image.Image, longest_pixels: int) -> tuple[Image.Image, float]:
    """The image downsampled to a longest side of at most that many pixels, and the scale factor."""
    scale = min(1.0, longest_pixels / max(image.size))
    if scale == 1:
        return image, 1.0
    size = round(image.width * scale), round(image.height * scale)
    return image.resize(size, Image.Resampling.BOX), scale


def outlined(polygons: list[list[Polygon]], scale: float) -> tuple[tuple[Polygon, ...], ...]:
    """Outlines scaled to the pixels of a resized image."""
    return tuple(tuple(one.astype(np.float64) * scale for one in outline) for outline in polygons)
