"""Subjects that are real CTs with labels of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.errors import UsageError
from operators.geometry.resampling import isotropic_grid, resample_hu
from operators.geometry.volume import Grid
from operators.image_files.label_files import read_nifti
from operators.image_files.volume_files import read_volume_file
from training.recipe_file import LabelledCtTable
from training.subjects.subjects import Subject, class_of
from training.subjects.surfaces import bone_surfaces
from training.subjects.tissues import tissue_of

# A patch is interpolated once more: from voxels of this share of the network's, it loses little
FINER = 0.75
NO_BONES = np.zeros((1, 1, 1), np.uint8)


@dataclass(frozen=True)
class CaseFiles:
    """The image and the labels of one case."""

    name: str
    image: Path
    labels: Path


def cases_of(data: Path, row: LabelledCtTable) -> Sequence[str]:
    """Returns the names of a row's cases: those listed, else all images. Raises UsageError for none."""
    pattern = data / row.folder / row.image
    before, after = pattern.name.split("{case}")
    found = sorted(pattern.parent.glob(f"{before}*{after}"))
    names = row.cases or [path.name[len(before) : -len(after)] for path in found]
    if not names:
        raise UsageError(f"expected images {row.folder}/{row.image} in the data folder, found none")
    return names


def files_of(data: Path, row: LabelledCtTable, case: str) -> CaseFiles:
    """Returns the files of one case. Raises UsageError if one is missing."""
    image, labels = (data / row.folder / pattern.format(case=case) for pattern in (row.image, row.labels))
    for path in (image, labels):
        if not path.is_file():
            raise UsageError(f"expected {path.parent.name}/{path.name} in the data folder, found none")
    return CaseFiles(case, image, labels)


def labelled_subject(
    files: CaseFiles, row: LabelledCtTable, classes: dict[str, list[str]], network_mm: float, unknown: int
) -> Subject:
    """Loads one case for a network; voxels that nobody labelled get the target `unknown`."""
    image, labels = read_volume_file(files.image), read_nifti(files.labels)
    to_mm = max(FINER * network_mm, min(image.grid.spacing_mm))
    grid = isotropic_grid(image.grid, (to_mm,) * 3)
    structures = take_labels(numbered(labels.labels, row, classes), labels.grid, grid)
    hu = np.clip(resample_hu(image, grid).hu, -1024, 32767)
    return Subject(
        files.name,
        structures,
        (tissue_of("fat"),) * (len(classes) + 2),
        np.array([*range(len(classes) + 1), unknown], np.uint8),
        bone_surfaces(NO_BONES, to_mm),
        NO_BONES.astype(np.int8),
        np.full(3, to_mm),
        np.rint(hu).astype(np.int16),
        labelled=True,
    )


def numbered(labels: NDArray[Any], row: LabelledCtTable, classes: dict[str, list[str]]) -> NDArray[np.uint8]:
    """Returns the class of each voxel, and the number after the last class where nobody labelled."""
    lookup = np.zeros(int(labels.max()) + 1, np.uint8)
    for value, structure in row.names.items():
        if int(value) < len(lookup):
            lookup[int(value)] = class_of(structure, classes)
    if row.ignore is not None and row.ignore < len(lookup):
        lookup[row.ignore] = len(classes) + 1
    return lookup[labels]


def take_labels(labels: NDArray[np.uint8], source: Grid, target: Grid) -> NDArray[np.uint8]:
    """Returns the nearest label of each voxel of another grid; 0 outside."""
    affine = source.lps_to_ijk @ target.ijk_to_lps
    return ndimage.affine_transform(
        labels, affine[:3, :3], affine[:3, 3], target.shape, order=0, mode="constant", cval=0
    )
