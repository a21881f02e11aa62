"""GRAZPEDWRI-DX as it is published: wrists of children (Nagy et al., Scientific Data 2022;9:222).

    GRAZPEDWRI-DX/
      dataset.csv                               one row an image, see below
      images_part1/ ... images_part4/           FILESTEM.png, 16-bit grey; sometimes merged in images/
      folder_structure/yolov5/meta.yaml         nc, and names: the nine classes in the order of their ids
      folder_structure/yolov5/labels/FILESTEM.txt   class id, then a box as shares of the image's size

There are 20,327 images of 6,091 children. The columns of dataset.csv: filestem, patient_id, study_number,
timehash, gender, age, laterality (L, R), projection (1 frontal, 2 lateral, 3 oblique), initial_exam,
ao_classification, cast, diagnosis_uncertain, osteopenia, fracture_visible, metal, pixel_spacing,
device_manufacturer. Flags are 1.0 or empty; an AO classification applies to the examination, so images
that show no fracture can have one.
The classes are boneanomaly, bonelesion, foreignbody, fracture, metal, periostealreaction, pronatorsign,
softtissue, text. There are further copies of the annotations (pascalvoc, supervisely), which are not read.
The set has no splits.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from operators.errors import UsageError
from training.radiograph.datasets.entries import Entry, FaultError, IsFracture, yaml_names, yolo_outlines
from training.radiograph.datasets.radiograph import ATTRIBUTES
from training.radiograph.datasets.tables import Row, entries_of, flag

COLUMNS = (
    "filestem", "patient_id", "projection", "ao_classification", "diagnosis_uncertain", "fracture_visible",
    "metal",
)  # fmt: skip
VIEWS = {"1": "frontal", "2": "lateral", "3": "oblique"}
BODY_PART = "hand"
FRACTURE = "fracture"
# Without meta.yaml
CLASSES = (
    "boneanomaly", "bonelesion", "foreignbody", FRACTURE, "metal", "periostealreaction", "pronatorsign",
    "softtissue", "text",
)  # fmt: skip


def entries(folder: Path) -> Iterator[Entry]:
    """Yields the images of dataset.csv."""
    labels = folder / "folder_structure" / "yolov5" / "labels"
    classes = fracture_classes(labels.with_name("meta.yaml"))
    paths = {path.stem: path for path in sorted(folder.glob("images*/*.png"))}

    def entry_of(row: Row) -> Entry:
        stem = row["filestem"]
        return Entry(
            name=f"{stem}.png",
            path=paths.get(stem, folder / f"{stem}.png"),
            split="train",
            fractured=marked(row, "fracture_visible"),
            attributes=attributes_of(row),
            outlines=partial(yolo_outlines, labels / f"{stem}.txt", classes=classes),
            patient=row["patient_id"],
            fault=uncertain(row),
        )

    yield from entries_of(folder / "dataset.csv", COLUMNS, entry_of)


def marked(row: Row, column: str) -> bool:
    """Returns whether a cell is 1; an empty one is 0. Raises ValueError for anything else."""
    return bool(row[column].strip()) and flag(row, column)


def attributes_of(row: Row) -> tuple[float, ...]:
    """Returns the attributes: hand, metal or not, one view; the view is NaN if it is unknown."""
    view = VIEWS.get(row["projection"].partition(".")[0], "")
    known: dict[str, float] = {BODY_PART: 1.0, "hardware": float(marked(row, "metal"))}
    known |= {one: float(one == view) if view else float("nan") for one in VIEWS.values()}
    return tuple(known.get(name, 0.0) for name in ATTRIBUTES)


def uncertain(row: Row) -> FaultError | None:
    """Returns the fault of an image whose label is uncertain."""
    if marked(row, "diagnosis_uncertain"):
        return FaultError("label_uncertain", "diagnosis_uncertain is set")
    if row["ao_classification"].strip() and not marked(row, "fracture_visible"):
        return FaultError("label_uncertain", "a fracture is classified, but marked as not visible")
    return None


def fracture_classes(path: Path) -> IsFracture:
    """Returns of each class whether it is `fracture`. Raises UsageError if none is."""
    names = yaml_names(path) if path.is_file() else dict(enumerate(CLASSES))
    if FRACTURE not in names.values():
        raise UsageError(f"expected the class {FRACTURE} in {path.name}, found none")
    return {at: name == FRACTURE for at, name in names.items()}
