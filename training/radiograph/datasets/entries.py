"""The entry of an image in any layout, and the reading of images and outlines."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import yaml
from PIL import Image, ImageOps

from operators.errors import UsageError, reason
from training.radiograph.datasets.radiograph import Polygon

Size = tuple[int, int]
# The polygons of each fracture, as x, y in pixels of the upright image
Outlines = list[list[Polygon]]
FindOutlines = Callable[[Size], Outlines]
# Of each class whether it is that of fractures
IsFracture = Mapping[Any, bool]
# 16-bit grey values are rescaled between these percentiles, as images do not use the full range
DARKEST, BRIGHTEST = 0.1, 99.9
GREY_8_BIT = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
# What Pillow raises for damaged files of its many formats
UNREADABLE = (
    OSError, SyntaxError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError, EOFError,
    struct.error, Image.DecompressionBombError,
)  # fmt: skip


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


def read_grey(path: Path) -> Image.Image:
    """Returns the image as 8-bit greyscale, upright by its EXIF orientation. Raises FaultError."""
    try:
        if not path.is_file():
            raise FaultError("missing", "no such file")
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file)
            return image.convert("L") if image.mode in GREY_8_BIT else eight_bits(image)
    except FaultError:
        raise
    except UNREADABLE as error:
        raise FaultError("damaged", reason(error)) from error


def eight_bits(image: Image.Image) -> Image.Image:
    """Grey values of any range, rescaled to 8 bits. Raises ValueError for other colours than RGB, or NaN."""
    grey = np.asarray(image).astype(np.float32)
    if grey.ndim != 2:
        raise ValueError(f"expected grey values or RGB, got colours as {image.mode}")
    if not np.isfinite(grey).all():
        raise ValueError("expected finite grey values, got others")
    low, high = np.percentile(grey, (DARKEST, BRIGHTEST))
    return Image.fromarray(np.clip((grey - low) / max(high - low, 1) * 255, 0, 255).astype(np.uint8))


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
    """Returns the class, or "", and the box of each object of a VOC file. Raises ValueError."""
    try:
        tree = ElementTree.parse(path)  # noqa: S314 (the data set that a user trains on)
    except (ElementTree.ParseError, LookupError) as error:
        raise ValueError(str(error)) from error
    found = []
    for one in tree.iter("object"):
        sides = (float(one.findtext(f"bndbox/{side}", "")) for side in ("xmin", "ymin", "xmax", "ymax"))
        found.append(((one.findtext("name") or "").strip(), corners(*sides)))
    return found


def yaml_names(path: Path) -> dict[int, str]:
    """Returns the class names in a YAML file, a list or a table by id. Raises UsageError."""
    try:
        names = yaml.safe_load(path.read_text(encoding="utf-8"))["names"]
        rows = names.items() if isinstance(names, dict) else enumerate(names)
        return {int(at): str(name) for at, name in rows}
    except (yaml.YAMLError, KeyError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
        raise UsageError(f"expected names of classes in {path.name}, could not read them") from error


def shows_fracture(found: object, classes: IsFracture) -> bool:
    """Returns whether a class is that of fractures. Raises ValueError for a class that is not known."""
    if found not in tuple(classes):
        known = ", ".join(map(str, classes))
        raise ValueError(f"expected one of the classes {known:.80}, got {found!s:.40}")
    return classes[found]


def yolo_rows(path: Path, classes: IsFracture | None) -> list[list[str]]:
    """Returns the numbers after the class of each fracture in a YOLO file; None means all classes.

    Raises ValueError for an unknown class, and OSError.
    """
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [line[1:] for line in lines if classes is None or shows_fracture(yolo_class(line[0]), classes)]


def yolo_class(word: str) -> float | str:
    """Returns the number of a class, or the word if it is no number."""
    try:
        return float(word)
    except ValueError:
        return word


def yolo_outlines(path: Path, size: Size, classes: IsFracture | None = None) -> Outlines:
    """Polygons of a YOLO file, or boxes if a line has four numbers; none if there is no file.

    `classes` tells which are fractures, None means all. Raises ValueError and OSError.
    """
    rows = yolo_rows(path, classes) if path.is_file() else []
    return [[shares([float(value) for value in row]) * size] for row in rows]
