"""FracAtlas as it is published (Abedeen et al., Scientific Data 2023;10:521).

    FracAtlas/
      dataset.csv                                   image_id, body part, hardware, ..., fractured
      images/Fractured/  images/Non_fractured/
      Annotations/COCO JSON/COCO_fracture_masks.json   polygons
      Annotations/YOLO/*.txt                           polygons or boxes, as shares of the image's size
      Annotations/PASCAL VOC/*.xml                     boxes
      Utilities/Fracture Split/train.csv, valid.csv, test.csv

The first available of the three kinds of annotations is read. The published set has truncated files,
copies, and images in both folders. Its splits list only fractured images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from operators.errors import UsageError
from training.radiograph.datasets.coco import polygons, read_coco
from training.radiograph.datasets.entries import (
    Entry,
    FaultError,
    Outlines,
    Size,
    voc_boxes,
    yolo_outlines,
)
from training.radiograph.datasets.radiograph import ATTRIBUTES
from training.radiograph.datasets.tables import Row, entries_of, flag, rows_of

COLUMNS = ("image_id", "fractured", *ATTRIBUTES)
FOLDERS = {True: "Fractured", False: "Non_fractured"}
COCO, YOLO, VOC = Path("COCO JSON/COCO_fracture_masks.json"), Path("YOLO"), Path("PASCAL VOC")
Find = Callable[[str, Size], Outlines]


def entries(folder: Path) -> Iterator[Entry]:
    """Yields the images of dataset.csv; dev are those of valid.csv."""
    find = find_outlines(folder / "Annotations")
    splits = read_splits(folder / "Utilities" / "Fracture Split")

    def entry_of(row: Row) -> Entry:
        name, fractured = row["image_id"], flag(row, "fractured")
        return Entry(
            name=name,
            path=folder / "images" / FOLDERS[fractured] / name,
            split=splits.get(name, "train"),
            fractured=fractured,
            attributes=tuple(float(flag(row, one)) for one in ATTRIBUTES),
            outlines=partial(find, name),
            fault=misplaced(folder / "images", name, fractured),
        )

    yield from entries_of(folder / "dataset.csv", COLUMNS, entry_of)


def misplaced(images: Path, name: str, fractured: bool) -> FaultError | None:
    """Returns the fault of an image that is not only in the folder of its label."""
    places = [place for place in FOLDERS.values() if (images / place / name).is_file()]
    if places == [FOLDERS[fractured]]:
        return None
    code = "label_contradicts_folder" if places else "missing"
    found = " and ".join(places) or "no folder"
    return FaultError(code, f"expected only in {FOLDERS[fractured]}, found in {found}")


def read_splits(folder: Path) -> dict[str, str]:
    """Returns the split of each listed file; "dev" for those of valid.csv."""
    splits: dict[str, str] = {}
    for name, split in (("train", "train"), ("valid", "dev"), ("test", "test")):
        path = folder / f"{name}.csv"
        if path.is_file():
            splits |= {row["image_id"]: split for row in rows_of(path, ("image_id",))}
    return splits


def find_outlines(folder: Path) -> Find:
    """Returns the reader of outlines. Raises UsageError if there are no annotations of any kind."""
    for place, read in ((COCO, coco), (YOLO, yolo), (VOC, voc)):
        if (folder / place).exists():
            return read(folder / place)
    kinds = ", ".join(str(place) for place in (COCO, YOLO, VOC))
    raise UsageError(f"expected annotations in one of {kinds}, found none in {folder.name}")


def coco(path: Path) -> Find:
    """Outlines from the COCO file."""
    found, sizes = read_coco(path)

    def find(name: str, size: Size) -> Outlines:
        if found.get(name) and sizes[name] not in ((None, None), size):
            raise ValueError(f"expected an image of {sizes[name]} pixels for its outlines, got {size}")
        return polygons(found.get(name, []), size)

    return find


def voc(folder: Path) -> Find:
    """Boxes from the PASCAL VOC files, as polygons of four corners."""

    def find(name: str, _: Size) -> Outlines:
        path = folder / f"{Path(name).stem}.xml"
        return [[box] for _, box in voc_boxes(path)] if path.is_file() else []

    return find


def yolo(folder: Path) -> Find:
    """Polygons, or boxes if a line has four numbers, from the YOLO files."""
    return lambda name, size: yolo_outlines(folder / f"{Path(name).stem}.txt", size)
