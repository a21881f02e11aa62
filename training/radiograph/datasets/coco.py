"""The reading of COCO files: images, annotations and categories, each by id."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from operators.errors import UsageError, reason
from training.radiograph.datasets.entries import Outlines, Size, corners
from training.radiograph.datasets.radiograph import Polygon

# Of each file its fractures' polygons, as COCO writes them: x, y, x, y ...
CocoOutlines = dict[str, list[list[list[float]]]]
Id = int | float | str


@dataclass(frozen=True)
class CocoFile:
    """The images and the names of the categories, by their ids, and the annotations of each image."""

    images: Mapping[Id, Mapping[str, Any]]
    annotations: Mapping[Id, Sequence[Mapping[str, Any]]]
    categories: Mapping[Id, str]


def read_coco_file(path: Path) -> CocoFile:
    """Returns the content of a COCO file.

    Raises UsageError if it cannot be read, if an id is given twice, or for an annotation of an image that
    the file does not list.
    """
    with refusing(path):
        content = json.loads(path.read_text(encoding="utf-8"))
        images = by_id(content["images"])
        annotations = defaultdict(list)
        for one in content["annotations"]:
            image = id_of(one, "image_id")
            if image not in images:
                raise ValueError(f"an annotation is of image {image}, which it does not list")
            annotations[image].append(dict(one))
        categories = {at: str(row["name"]) for at, row in by_id(content.get("categories") or []).items()}
    return CocoFile(images, annotations, categories)


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Raises the errors of a malformed COCO file as UsageError."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, OSError) as error:
        raise UsageError(
            f"expected outlines as COCO in {path.name}, could not read it: {reason(error)}"
        ) from error
    except RecursionError as error:
        raise UsageError(f"expected outlines as COCO in {path.name}, it is nested too deeply") from error


def by_id(rows: Iterable[dict[str, Any]]) -> dict[Id, dict[str, Any]]:
    """Returns rows by their ids, without those whose id is null. Raises ValueError if two have the same."""
    found: dict[Id, dict[str, Any]] = {}
    for row in rows:
        if row["id"] is not None and found.setdefault(id_of(row, "id"), row) != row:
            raise ValueError(f"the id {row['id']!r:.40} is given twice")
    return found


def id_of(row: Mapping[str, Any], key: str) -> Id:
    """Returns an id. Raises ValueError if it is neither a number nor text."""
    value = row[key]
    if not isinstance(value, Id):
        raise ValueError(f"expected a number or text as {key}, got {value!r:.40}")
    return value


def read_coco(path: Path) -> tuple[CocoOutlines, dict[str, tuple[int | None, int | None]]]:
    """Returns the outlines in a COCO file of one category, and the sizes of its images. Raises UsageError."""
    file, outlines = read_coco_file(path), CocoOutlines()
    with refusing(path):
        for at, found in file.annotations.items():
            name = str(file.images[at]["file_name"])
            outlines[name] = outlines.get(name, []) + [one["segmentation"] for one in found]
        images = file.images.values()
        sizes = {str(one["file_name"]): (one.get("width"), one.get("height")) for one in images}
    return outlines, sizes


def polygons(outlines: list[list[list[float]]], size: Size) -> Outlines:  # noqa: ARG001 (a FindOutlines)
    """Outlines of COCO as arrays of corners. Raises ValueError."""
    return [[polygon(one) for one in outline] for outline in outlines]


def polygon(numbers: Sequence[float]) -> Polygon:
    """Returns the corners (N, 2) of a polygon of COCO: x, y, x, y ... Raises ValueError."""
    return np.reshape(np.array(numbers, np.float64), (-1, 2))


def coco_outlines(found: Sequence[Mapping[str, Any]], stated: tuple[Any, Any], size: Size) -> Outlines:
    """Polygons of annotations, or their boxes. Raises ValueError for run lengths or another size of image."""
    if found and None not in stated and stated != size:
        raise ValueError(f"expected an image of {stated} pixels for its outlines, got {size}")
    outlines: Outlines = []
    for one in found:
        polygons = one.get("segmentation") or []
        if isinstance(polygons, Mapping):
            raise ValueError("expected polygons or a box, got a mask as run lengths")
        if polygons:
            outlines.append([polygon(each) for each in polygons])
        else:
            x, y, width, height = (float(side) for side in one.get("bbox", ()))
            outlines.append([corners(x, y, x + width, y + height)])
    return outlines
