"""Checks of one case of a data set: what is measured of it, and remarks on its labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import nibabel
import numpy as np
from scipy import ndimage

from operators.errors import UnreadableError
from operators.geometry.volume import CtVolume, LabelMap
from operators.image_files.label_files import RAS_TO_LPS, read_nifti
from operators.image_files.volume_files import read_volume_file
from operators.packages.structures import read_structures
from training.datasets.label_maps import words_of
from training.datasets.layout import Case, Dataset

Level = Literal["fault", "warning"]
# Image and labels are written with the same affine; NIfTI holds it as float32
SAME_GRID_MM = 0.05
# Smaller pieces beside the largest of a structure are stray
STRAY_ML = 0.05
# A part of a structure may be small, but hardly smaller than this share of the least whole one
LEAST_PART = 0.05


@dataclass(frozen=True)
class Remark:
    """What was found of which cases: a level, a code, and a sentence."""

    level: Level
    code: str
    cases: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Facts:
    """What was measured of one case."""

    case: str
    shape: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    orientation: str
    volumes_ml: dict[int, float]
    stray: dict[int, int]
    unknown: tuple[int, ...] = ()


def read_case(dataset: Dataset, case: Case) -> tuple[CtVolume, LabelMap]:
    """Returns the image and the labels of a case. Raises OsteonError, also for different grids."""
    image, labels = read_volume_file(dataset.image(case)), read_nifti(dataset.labels(case))
    if not image.grid.same_as(labels.grid, SAME_GRID_MM):
        raise UnreadableError(
            f"expected labels on their image's grid, {words_of(image.grid)}, got {words_of(labels.grid)}",
            code="grids_differ",
        )
    return image, labels


def facts_of(case: Case, image: CtVolume, labels: LabelMap, dataset: Dataset) -> Facts:
    """Measures one case."""
    counts = np.bincount(labels.labels.ravel(order="K"))
    present = [int(value) for value in np.flatnonzero(counts) if value and value != dataset.tables.ignore]
    ml = image.grid.voxel_volume_mm3 / 1000
    return Facts(
        case.name,
        image.grid.shape,
        image.grid.spacing_mm,
        "".join(nibabel.aff2axcodes(RAS_TO_LPS @ image.grid.ijk_to_lps)),
        {value: float(counts[value] * ml) for value in present},
        stray_pieces(labels, present, ml),
        tuple(value for value in present if value not in dataset.names),
    )


def stray_pieces(labels: LabelMap, values: Sequence[int], ml: float) -> dict[int, int]:
    """Returns the number of tiny pieces of each structure apart from its largest."""
    boxes = ndimage.find_objects(labels.labels)
    found = {}
    for value in values:
        parts, count = ndimage.label(labels.labels[boxes[value - 1]] == value, np.ones((3, 3, 3)))
        sizes = np.sort(np.bincount(parts.ravel())[1:])[:-1] if count > 1 else np.zeros(0)
        if small := int(np.count_nonzero(sizes * ml < STRAY_ML)):
            found[value] = small
    return found


def remarks_on(facts: Facts, dataset: Dataset) -> Iterator[Remark]:
    """Remarks on the labels of one case."""
    if not facts.volumes_ml:
        yield Remark("warning", "empty", (facts.case,), "no voxel is labelled")
    if facts.unknown:
        text = f"label values that dataset.toml does not name: {list(facts.unknown)}"
        yield Remark("fault", "unknown_label", (facts.case,), text)
    if facts.stray:
        named = ", ".join(
            f"{dataset.names.get(value, value)} ({count})" for value, count in facts.stray.items()
        )
        text = f"pieces under {STRAY_ML} ml beside the structure: {named}"
        yield Remark("warning", "stray_pieces", (facts.case,), text)
    yield from remarks_on_sizes(facts, dataset)


def remarks_on_sizes(facts: Facts, dataset: Dataset) -> Iterator[Remark]:
    """Remarks on structures that are larger or much smaller than a whole one can be."""
    for row in dataset.tables.structures:
        known = read_structures().get(row.structure or "")
        ml = facts.volumes_ml.get(row.value)
        if known is None or not known.plausible_ml or ml is None or row.fragment is not None:
            continue
        low, high = known.plausible_ml
        if not LEAST_PART * low <= ml <= high:
            text = f"{row.name} has {ml:.0f} ml, a whole one {low:.0f} to {high:.0f}"
            yield Remark("warning", "implausible_size", (facts.case,), text)
