"""Pictures with outlines or boxes in the three common forms of annotations, without any table of images.

    COCO   annotations.json with images/; polygons, or boxes where an annotation has none
    VOC    Annotations/*.xml with JPEGImages/ or images/; boxes
    YOLO   images/ with labels/: boxes or polygons as shares of the size; classes.txt, or `names` in a .yaml

A picture that COCO or VOC does not list is not used; one without a YOLO file shows no fracture, as in YOLO.
The class of fractures is the only one, or the one whose name contains "fract". A folder named train, valid
(val, dev) or test is a split. Attributes are not known.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from operators.errors import UsageError, reason
from training.radiograph.datasets.entries import (
    Entry,
    FaultError,
    FindOutlines,
    Outlines,
    Size,
    corners,
    nothing,
    voc_boxes,
    yaml_names,
    yolo_outlines,
)
from training.radiograph.datasets.radiograph import ATTRIBUTES, Polygon

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
SPLITS = {"train": "train", "valid": "dev", "val": "dev", "dev": "dev", "test": "test"}
FRACTURE = "fract"
UNKNOWN = (float("nan"),) * len(ATTRIBUTES)


def coco_entries(folder: Path) -> Iterator[Entry]:
    """Yields the images that COCO files list, and the others as not usable. Raises UsageError."""
    pictures, listed = pictures_of(folder), set[str]()
    for path in sorted(folder.glob("**/*.json")):
        images, outlined = read_coco_file(path)
        for image in images:
            name = Path(str(image["file_name"])).name
            listed.add(name)
            found = outlined.get(image["id"], [])
            find = partial(coco_outlines, found, (image.get("width"), image.get("height")))
            yield entry(folder, name, pictures.get(name), bool(found), find)
    yield from unlisted(pictures, listed)


def read_coco_file(path: Path) -> tuple[list[dict[str, Any]], dict[Any, list[dict[str, Any]]]]:
    """Returns the images of a COCO file, and the annotations of fractures of each. Raises UsageError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        categories = {row["id"]: str(row["name"]) for row in content["categories"]}
        wanted = fracture_classes(categories, path.name)
        outlined: dict[Any, list[dict[str, Any]]] = defaultdict(list)
        for one in content["annotations"]:
            if one["category_id"] in wanted:
                outlined[one["image_id"]].append(one)
        images = [
            dict(image) for image in content["images"] if image["id"] is not None and image["file_name"]
        ]
        return images, outlined
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"expected outlines as COCO in {path.name}, could not read it: {reason(error)}"
        ) from error


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
            outlines.append([np.reshape(np.array(each, np.float64), (-1, 2)) for each in polygons])
        else:
            x, y, width, height = (float(side) for side in one.get("bbox", ()))
            outlines.append([corners(x, y, x + width, y + height)])
    return outlines


def voc_entries(folder: Path) -> Iterator[Entry]:
    """Yields the images of the VOC files, and those without one as not usable. Raises UsageError."""
    pictures, listed = pictures_of(folder), set[str]()
    by_stem = {Path(name).stem: name for name in pictures}
    files = {path: boxes_of(path) for path in sorted(folder.glob("**/*.xml"))}
    names = {name for boxes in files.values() for name, _ in boxes}
    wanted = fracture_classes(dict(enumerate(sorted(names))), folder.name) if names else frozenset()
    fractures = {sorted(names)[at] for at in wanted}
    for path, boxes in files.items():
        name = by_stem.get(path.stem, f"{path.stem}.jpg")
        listed.add(name)
        own = [[box] for said, box in boxes if said in fractures]
        yield entry(folder, name, pictures.get(name), bool(own), partial(constant, own))
    yield from unlisted(pictures, listed)


def boxes_of(path: Path) -> list[tuple[str, Polygon]]:
    """Returns the class and the box of each object of a VOC file. Raises UsageError."""
    try:
        return voc_boxes(path)
    except ValueError as error:
        raise UsageError(
            f"expected boxes as VOC in {path.name}, could not read it: {reason(error)}"
        ) from error


def constant(outlines: Outlines, size: Size) -> Outlines:  # noqa: ARG001 (a FindOutlines)
    """Outlines that are known already."""
    return outlines


def yolo_entries(folder: Path) -> Iterator[Entry]:
    """Yields all pictures, with the outlines of the label file of their name. Raises UsageError."""
    classes = fracture_classes(yolo_classes(folder), folder.name)
    labels = {path.stem: path for path in folder.glob("**/*.txt") if path.name != "classes.txt"}
    for name, path in pictures_of(folder).items():
        file = labels.get(path.stem)
        find = partial(yolo_outlines, file, classes=classes) if file else nothing
        yield entry(folder, name, path, file is not None and shows_any(file, classes), find)


def shows_any(file: Path, classes: frozenset[int]) -> bool:
    """Returns whether a YOLO file outlines a fracture; an unreadable line counts, and is reported."""
    firsts = [line.split()[0] for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    return any(not first.replace(".", "", 1).isdecimal() or int(float(first)) in classes for first in firsts)


def yolo_classes(folder: Path) -> dict[int, str]:
    """Returns the names of the classes, by id. Raises UsageError if a file of them cannot be read."""
    lists = sorted(folder.glob("**/classes.txt"))
    if lists:
        return dict(enumerate(lists[0].read_text(encoding="utf-8").split("\n")))
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        return yaml_names(path)
    return {0: FRACTURE}


def fracture_classes(names: Mapping[int, str], place: str) -> frozenset[int]:
    """Returns the ids of the class of fractures: the only one, or those named so. Raises UsageError."""
    said = {at: name for at, name in names.items() if name.strip()}
    found = (
        frozenset(said) if len(said) == 1 else frozenset(at for at in said if FRACTURE in said[at].lower())
    )
    if not found:
        listed = ", ".join(said.values()) or "none"
        raise UsageError(
            f"expected one class, or one with {FRACTURE!r} in its name, in {place}, got {listed}"
        )
    return found


def pictures_of(folder: Path) -> dict[str, Path]:
    """Returns the pictures below a folder, by file name. Raises UsageError if two have the same name."""
    found: dict[str, Path] = {}
    for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES):
        if path.name in found:
            raise UsageError(f"expected pictures with different names, got {path.name} twice")
        found[path.name] = path
    return found


def entry(folder: Path, name: str, path: Path | None, fractured: bool, outlines: FindOutlines) -> Entry:
    """Returns the entry of a picture; its folders name the split."""
    within = path.relative_to(folder).parts[:-1] if path else ()
    split = next((SPLITS[part.lower()] for part in within if part.lower() in SPLITS), "train")
    return Entry(name, path or folder / name, split, fractured, UNKNOWN, outlines)


def unlisted(pictures: Mapping[str, Path], listed: set[str]) -> Iterator[Entry]:
    """Yields the pictures that no annotation lists: what they show is not known."""
    for name in sorted(set(pictures) - listed):
        fault = FaultError("unlisted", "no annotation lists it")
        yield Entry(name, pictures[name], "train", False, UNKNOWN, fault=fault)
