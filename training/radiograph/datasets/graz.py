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

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from operators.errors import UsageError
from training.radiograph.datasets.entries import Entry, FaultError, rows_of, yaml_names, yolo_outlines
from training.radiograph.datasets.radiograph import ATTRIBUTES

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
    for row in rows_of(folder / "dataset.csv", COLUMNS):
        stem = row["filestem"]
        yield Entry(
            name=f"{stem}.png",
            path=paths.get(stem, folder / f"{stem}.png"),
            split="train",
            fractured=flag(row, "fracture_visible"),
            attributes=attributes_of(row),
            outlines=partial(yolo_outlines, labels / f"{stem}.txt", classes=classes),
            patient=row["patient_id"],
            fault=uncertain(row),
        )


def flag(row: Mapping[str, str], column: str) -> bool:
    """Returns whether a column holds 1 or 1.0."""
    return float(row[column] or 0) > 0


def attributes_of(row: Mapping[str, str]) -> tuple[float, ...]:
    """Returns the attributes: hand, metal or not, one view; the view is NaN if it is unknown."""
    view = VIEWS.get(row["projection"].partition(".")[0], "")
    known: dict[str, float] = {BODY_PART: 1.0, "hardware": float(flag(row, "metal"))}
    known |= {one: float(one == view) if view else float("nan") for one in VIEWS.values()}
    return tuple(known.get(name, 0.0) for name in ATTRIBUTES)


def uncertain(row: Mapping[str, str]) -> FaultError | None:
    """Returns the fault of an image whose label is uncertain."""
    if flag(row, "diagnosis_uncertain"):
        return FaultError("label_uncertain", "diagnosis_uncertain is set")
    if row["ao_classification"].strip() and not flag(row, "fracture_visible"):
        return FaultError("label_uncertain", "a fracture is classified, but marked as not visible")
    return None


def fracture_classes(path: Path) -> frozenset[int]:
    """Returns the ids of the class `fracture`. Raises UsageError."""
    names = yaml_names(path) if path.is_file() else dict(enumerate(CLASSES))
    found = frozenset(at for at, name in names.items() if name == FRACTURE)
    if not found:
        raise UsageError(f"expected the class {FRACTURE} in {path.name}, found none")
    return found
