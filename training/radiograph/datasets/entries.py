"""The entry of an image in any layout, and the reading of images and outlines."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from operators.errors import UsageError
from training.radiograph.datasets.radiograph import Polygon

Size = tuple[int, int]
# The polygons of each fracture, as x, y in pixels of the upright image
Outlines = list[list[Polygon]]
FindOutlines = Callable[[Size], Outlines]
# Of each file its fractures' polygons, as COCO writes them: x, y, x, y ...
CocoOutlines = dict[str, list[list[list[float]]]]
# 16-bit grey values are rescaled between these percentiles, as images do not use the full range
DARKEST, BRIGHTEST = 0.1, 99.9
GREY_8_BIT = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")


class FaultError(ValueError):
    """An image is excluded; `code` is a row of REASONS in training.radiograph.datasets.reading."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def nothing(size: Size) -> Outlines:  # noqa: ARG001 (a FindOutlines)
    """No outlines."""
    return []


@dataclass(frozen=True, eq=False)
class Entry:
    """An image as its set lists it.

    `outlines` returns them for the image's size (width, height); it raises ValueError if they cannot be
    read. `fault` is a reason to exclude the image that is known from the list. `split` is train, dev or test.
    """

    name: str
    path: Path
    split: str
    fractured: bool
    attributes: tuple[float, ...]
    outlines: FindOutlines = nothing
    patient: str = ""
    fault: FaultError | None = None


def rows_of(path: Path, columns: tuple[str, ...]) -> Iterator[Mapping[str, str]]:
    """Yields the rows of a table. Raises UsageError if it lacks a column or is not text."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise UsageError(f"expected the column {missing[0]} in {path.name}, found none")
            yield from reader
    except UnicodeDecodeError as error:
        raise UsageError(f"expected UTF-8 text in {path.name}, got other bytes") from error


def read_grey(path: Path) -> Image.Image:
    """Returns the image as 8-bit greyscale, upright by its EXIF orientation. Raises FaultError."""
    if not path.is_file():
        raise FaultError("missing", "no such file")
    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file)
            return image.convert("L") if image.mode in GREY_8_BIT else eight_bits(np.asarray(image))
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise FaultError("damaged", str(error)) from error


def eight_bits(values: NDArray[np.generic]) -> Image.Image:
    """Grey values of any range, rescaled to 8 bits."""
    grey = values.astype(np.float32)
    low, high = np.percentile(grey, (DARKEST, BRIGHTEST))
    return Image.fromarray(np.clip((grey - low) / max(high - low, 1) * 255, 0, 255).astype(np.uint8))


def read_coco(path: Path) -> tuple[CocoOutlines, dict[str, tuple[int | None, int | None]]]:
    """Returns the outlines in a COCO file of one category, and the sizes of its images. Raises UsageError."""
    outlines: CocoOutlines = defaultdict(list)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        listed = {image["id"]: image for image in content["images"]}
        for one in content["annotations"]:
            outlines[listed[one["image_id"]]["file_name"]].append(one["segmentation"])
        sizes = {image["file_name"]: (image.get("width"), image.get("height")) for image in listed.values()}
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"expected outlines as COCO in {path.name}, could not read it: {error}") from error
    return outlines, sizes


def polygons(outlines: list[list[list[float]]], size: Size) -> Outlines:  # noqa: ARG001 (a FindOutlines)
    """Outlines of COCO as arrays of corners. Raises ValueError."""
    return [[np.reshape(np.array(one, np.float64), (-1, 2)) for one in outline] for outline in outlines]


def shares(row: list[float]) -> Polygon:
    """Returns the corners in a YOLO line, as shares of width and height. Raises ValueError."""
    if len(row) == 4:
        x, y, width, height = row
        return corners(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return np.reshape(np.array(row, np.float64), (-1, 2))


def corners(left: float, top: float, right: float, bottom: float) -> Polygon:
    """Returns a box as a polygon."""
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def voc_boxes(path: Path) -> list[tuple[str, Polygon]]:
    """Returns the class and the box of each object of a VOC file. Raises ValueError."""
    try:
        tree = ElementTree.parse(path)  # noqa: S314 (the data set that a user trains on)
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from error
    found = []
    for one in tree.iter("object"):
        sides = (float(one.findtext(f"bndbox/{side}", "")) for side in ("xmin", "ymin", "xmax", "ymax"))
        found.append((str(one.findtext("name")), corners(*sides)))
    return found


def yaml_names(path: Path) -> dict[int, str]:
    """Returns the class names in a YAML file, a list or a table by id. Raises UsageError."""
    try:
        names = yaml.safe_load(path.read_text(encoding="utf-8"))["names"]
        rows = names.items() if isinstance(names, dict) else enumerate(names)
        return {int(at): str(name) for at, name in rows}
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise UsageError(f"expected names of classes in {path.name}, could not read them") from error


def yolo_outlines(path: Path, size: Size, classes: frozenset[int] | None = None) -> Outlines:
    """Polygons of a YOLO file, or boxes if a line has four numbers; none if there is no file.

    `classes` are the ids of fractures, None means all. Raises ValueError.
    """
    if not path.is_file():
        return []
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    rows = [line[1:] for line in lines if classes is None or int(float(line[0])) in classes]
    return [[shares([float(value) for value in row]) * size] for row in rows]
