"""FracAtlas as it is published: images in two folders, dataset.csv, outlines as COCO, VOC or YOLO files.

    FracAtlas/
      dataset.csv                                   image_id, body part, hardware, ..., fractured
      images/Fractured/  images/Non_fractured/
      Annotations/COCO JSON/COCO_fracture_masks.json   polygons
      Annotations/PASCAL VOC/*.xml                     boxes
      Annotations/YOLO/*.txt                           polygons or boxes, as shares of the image's size
      Utilities/Fracture Split/train.csv, valid.csv, test.csv

The published set has truncated files and images that lie in both folders; neither is read silently.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from operators.radiographs.canvas import LONGEST_PIXELS
from training.radiograph.dataset import ATTRIBUTES, Polygon, Radiograph, outlined, shrink

FOLDERS = ("Fractured", "Non_fractured")
Outlines = list[list[Polygon]]


@dataclass(frozen=True)
class Reading:
    """The images that could be read, and the names of the others with the reason."""

    images: tuple[Radiograph, ...]
    problems: tuple[tuple[str, str], ...]


def read_published(folder: Path, outlines: str = "coco", longest_pixels: int = LONGEST_PIXELS) -> Reading:
    """All images of dataset.csv, with outlines from the `coco`, `voc` or `yolo` files.

    An image's split is that of the file of `Utilities/Fracture Split` that lists it, else "train".
    """
    find = FORMATS[outlines](folder / "Annotations")
    splits = read_splits(folder / "Utilities" / "Fracture Split")
    images, problems = [], []
    with (folder / "dataset.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        try:
            images.append(read_image(folder / "images", row, find, splits, longest_pixels))
        except (OSError, ValueError, ElementTree.ParseError) as error:
            problems.append((row["image_id"], str(error)))
    return Reading(tuple(images), tuple(problems))


def read_image(
    folder: Path,
    row: Mapping[str, str],
    find: Callable[[str, tuple[int, int]], Outlines],
    splits: Mapping[str, str],
    longest_pixels: int,
) -> Radiograph:
    """One image; ValueError if it lies in no folder, in both, or not in that of its label."""
    name, fractured = row["image_id"], int(row["fractured"]) > 0
    places = [place for place in FOLDERS if (folder / place / name).is_file()]
    expected = FOLDERS[0] if fractured else FOLDERS[1]
    if places != [expected]:
        raise ValueError(f"expected in {expected} alone, found in {' and '.join(places) or 'no folder'}")
    image = read_pixels(folder / expected / name)
    polygons = find(name, image.size) if fractured else []
    small, scale = shrink(image, longest_pixels)
    return Radiograph(
        name=name,
        split=splits.get(name, "train"),
        pixels=np.asarray(small, np.uint8),
        outlines=outlined(polygons, scale),
        fractured=fractured,
        attributes=tuple(float(int(row[one]) > 0) for one in ATTRIBUTES),
    )


def read_pixels(path: Path) -> Image.Image:
    """The image in grey, upright by its EXIF orientation; ValueError if it is damaged."""
    try:
        with Image.open(path) as file:
            return ImageOps.exif_transpose(file).convert("L")
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise ValueError(f"damaged: {error}") from error


def read_splits(folder: Path) -> dict[str, str]:
    """The split of each file that is listed; "dev" for those of valid.csv."""
    splits: dict[str, str] = {}
    for name, split in (("train", "train"), ("valid", "dev"), ("test", "test")):
        path = folder / f"{name}.csv"
        if path.is_file():
            with path.open(encoding="utf-8-sig", newline="") as file:
                splits |= {row["image_id"]: split for row in csv.DictReader(file)}
    return splits


def coco(folder: Path) -> Callable[[str, tuple[int, int]], Outlines]:
    """Outlines from the COCO file."""
    path = folder / "COCO JSON" / "COCO_fracture_masks.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    names = {image["id"]: image["file_name"] for image in content["images"]}
    found: dict[str, Outlines] = {}
    for one in content["annotations"]:
        polygons = [np.reshape(polygon, (-1, 2)).astype(np.float64) for polygon in one["segmentation"]]
        found.setdefault(names[one["image_id"]], []).append(polygons)
    return lambda name, _: found.get(name, [])


def voc(folder: Path) -> Callable[[str, tuple[int, int]], Outlines]:
    """Boxes from the PASCAL VOC files, as polygons of four corners."""

    def find(name: str, _: tuple[int, int]) -> Outlines:
        tree = ElementTree.parse(folder / "PASCAL VOC" / f"{Path(name).stem}.xml")  # noqa: S314 (the data set that a user trains on)
        sides = ("xmin", "ymin", "xmax", "ymax")
        boxes = [[float(box.findtext(side, "")) for side in sides] for box in tree.iter("bndbox")]
        return [[corners(*box)] for box in boxes]

    return find


def yolo(folder: Path) -> Callable[[str, tuple[int, int]], Outlines]:
    """Polygons, or boxes where a line has four numbers, from the YOLO files."""

    def find(name: str, size: tuple[int, int]) -> Outlines:
        lines = (folder / "YOLO" / f"{Path(name).stem}.txt").read_text(encoding="utf-8").splitlines()
        rows = [[float(value) for value in line.split()[1:]] for line in lines if line.strip()]
        return [[shares(row) * size] for row in rows]

    return find


def shares(row: list[float]) -> Polygon:
    """The corners of a YOLO line, as shares of width and height."""
    if len(row) == 4:
        x, y, width, height = row
        return corners(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return np.reshape(row, (-1, 2)).astype(np.float64)


def corners(left: float, top: float, right: float, bottom: float) -> Polygon:
    """A box as a polygon."""
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


FORMATS = {"coco": coco, "voc": voc, "yolo": yolo}
