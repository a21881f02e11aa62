"""Pictures with outlines or boxes in the three common forms of annotations, without any table of images.

    COCO   annotations.json with images/; polygons, or boxes where an annotation has none
    VOC    Annotations/*.xml with JPEGImages/ or images/; boxes
    YOLO   images/ with labels/: boxes or polygons as shares of the size; classes.txt, or `names` in a .yaml

A picture that COCO or VOC does not list is not used; one without a YOLO file shows no fracture, as in YOLO.
The class of fractures is the only one, or the one whose name contains "fract". A folder named train, valid
(val, dev) or test is a split. Attributes are not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from operators.errors import UsageError, reason
from training.radiograph.datasets.coco import Id, coco_outlines, read_coco_file
from training.radiograph.datasets.entries import (
    Entry,
    FaultError,
    IsFracture,
    Outlines,
    Size,
    shows_fracture,
    voc_boxes,
    yaml_names,
    yolo_outlines,
    yolo_rows,
)
from training.radiograph.datasets.pairs import Pairs
from training.radiograph.datasets.radiograph import UNKNOWN, Polygon

Boxes = list[tuple[str, Polygon]]
Class = TypeVar("Class", int, Id)

PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
SPLITS = {"train": "train", "valid": "dev", "val": "dev", "dev": "dev", "test": "test"}
FRACTURE = "fract"


def coco_entries(folder: Path) -> Iterator[Entry]:
    """Yields the images that COCO files list, and the others as not usable. Raises UsageError."""
    pictures, listed = pictures_of(folder), set[str]()
    for path in sorted(folder.glob("**/*.json")):
        file = read_coco_file(path)
        wanted = fracture_classes(file.categories, path.name)
        classes = {at: at in wanted for at in file.categories}
        for at, image in file.images.items():
            name = Path(str(image.get("file_name") or f"image {at} of {path.name}")).name
            listed.add(name)
            size = image.get("width"), image.get("height")
            yield coco_entry(
                entry(folder, name, pictures.get(name)), file.annotations.get(at, ()), classes, size
            )
    yield from unlisted(pictures, listed)


def coco_entry(
    plain: Entry, annotations: Sequence[Mapping[str, Any]], classes: IsFracture, size: tuple[Any, Any]
) -> Entry:
    """Returns a picture with its annotations; its label is uncertain if a class is unknown."""
    try:
        found = [one for one in annotations if shows_fracture(one.get("category_id"), classes)]
    except ValueError as error:
        return replace(plain, fault=FaultError("label_uncertain", str(error)))
    return replace(plain, fractured=bool(found), outlines=partial(coco_outlines, found, size))


def voc_entries(folder: Path) -> Iterator[Entry]:
    """Yields the pictures with the boxes of the VOC files of their names, and files without a picture.

    Pictures without a file are not usable. Raises UsageError.
    """
    pictures = pictures_of(folder)
    files = {path: boxes_of(path) for path in sorted(folder.glob("**/*.xml"))}
    read = [boxes for boxes in files.values() if not isinstance(boxes, FaultError)]
    names = sorted({name for boxes in read for name, _ in boxes if name})
    wanted = fracture_classes(dict(enumerate(names)), folder.name) if names else frozenset()
    classes = {name: at in wanted for at, name in enumerate(names)}
    pairs = Pairs(folder, pictures.values(), files)
    for name, path in pictures.items():
        found = pairs.file_of(path)
        if found is None:
            found = FaultError("unlisted", "no annotation lists it")
        boxes = files[found] if isinstance(found, Path) else found
        yield voc_entry(entry(folder, name, path), boxes, classes)
    for path in files:
        if path not in pairs.used:
            yield entry(folder, f"{path.stem}.jpg", None)


def voc_entry(plain: Entry, boxes: Boxes | FaultError, classes: IsFracture) -> Entry:
    """Returns a picture with its boxes; its label is uncertain if one has no class."""
    if isinstance(boxes, FaultError):
        return replace(plain, fault=boxes)
    if not all(said for said, _ in boxes):
        return replace(plain, fault=FaultError("label_uncertain", "expected a name of each object, got none"))
    own = [[box] for said, box in boxes if classes[said]]
    return replace(plain, fractured=bool(own), outlines=partial(constant, own))


def boxes_of(path: Path) -> Boxes | FaultError:
    """Returns the class and the box of each object of a VOC file, or why it cannot be read."""
    try:
        return voc_boxes(path)
    except (ValueError, OSError) as error:
        text = f"expected boxes as VOC in {path.name}, could not read it: {reason(error)}"
        return FaultError("outlines_unreadable", text)


def constant(outlines: Outlines, size: Size) -> Outlines:  # noqa: ARG001 (a FindOutlines)
    """Outlines that are known already."""
    return outlines


def yolo_entries(folder: Path) -> Iterator[Entry]:
    """Yields all pictures, with the outlines of the label file of their name. Raises UsageError."""
    names = {at: name for at, name in yolo_classes(folder).items() if name.strip()}
    wanted = fracture_classes(names, folder.name)
    classes = {at: at in wanted for at in names}
    pictures = pictures_of(folder)
    labels = [path for path in sorted(folder.glob("**/*.txt")) if path.name != "classes.txt"]
    pairs = Pairs(folder, pictures.values(), labels)
    for name, path in pictures.items():
        file, plain = pairs.file_of(path), entry(folder, name, path)
        yield yolo_entry(plain, file, classes) if file else plain


def yolo_entry(plain: Entry, file: Path | FaultError, classes: IsFracture) -> Entry:
    """Returns a picture with its label file; its label is uncertain if a class is unknown."""
    if isinstance(file, FaultError):
        return replace(plain, fault=file)
    try:
        fractured = bool(yolo_rows(file, classes))
    except (ValueError, OSError) as error:
        return replace(plain, fault=FaultError("label_uncertain", f"{file.name}: {reason(error)}"))
    return replace(plain, fractured=fractured, outlines=partial(yolo_outlines, file, classes=classes))


def yolo_classes(folder: Path) -> dict[int, str]:
    """Returns the names of the classes, by id. Raises UsageError if a file of them cannot be read."""
    lists = sorted(folder.glob("**/classes.txt"))
    if lists:
        return dict(enumerate(lists[0].read_text(encoding="utf-8").split("\n")))
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        return yaml_names(path)
    return {0: FRACTURE}


def fracture_classes(names: Mapping[Class, str], place: str) -> frozenset[Class]:
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


def entry(folder: Path, name: str, path: Path | None) -> Entry:
    """Returns the entry of a picture that shows no fracture; its folders name the split."""
    within = path.relative_to(folder).parts[:-1] if path else ()
    split = next((SPLITS[part.lower()] for part in within if part.lower() in SPLITS), "train")
    return Entry(name, path or folder / name, split, fractured=False, attributes=UNKNOWN)


def unlisted(pictures: Mapping[str, Path], listed: set[str]) -> Iterator[Entry]:
    """Yields the pictures that no annotation lists: what they show is not known."""
    for name in sorted(set(pictures) - listed):
        fault = FaultError("unlisted", "no annotation lists it")
        yield Entry(name, pictures[name], "train", False, UNKNOWN, fault=fault)
