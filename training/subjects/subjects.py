"""Training subjects: label maps, masked bones and CTs without the anatomy in one form."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.dicom.pixels.volume_reader import read_volume
from operators.dicom.read.scan import scan
from operators.errors import UsageError
from training.recipe_file import BodyTable
from training.row_tables import LabelMapTable
from training.subjects.shafts import Shafts, shafts_of
from training.subjects.surfaces import Surfaces, bone_surfaces, edt
from training.subjects.surroundings import Body, surround_with_body
from training.subjects.tissues import Tissue, tissue_of

# Target of unknown voxels in the first of a recipe's groups of CTs; in each other group it is one less
NOT_OURS = 254
LEAST_UNKNOWN = 240
MAXIMUM_SKIN_MM = 60.0
# Thickness of skin and fat over the labelled muscles, mm
LABELLED_MARGIN_MM = 12
# No network reads finer voxels, which label maps of small parts of the body have
FINEST_MM = 0.8
# Smaller pieces of a label map of bones are errors
SPECK_MM3 = 300.0
# Above soft tissue and blood: bone and dense contrast medium
DENSE_HU = 120


@dataclass(frozen=True, eq=False)
class Subject:
    """One body on an array whose axes run to the patient's left, posterior, superior.

    `structures` (uint8) index `tissues` and `classes` (uint8, the target of each); `surfaces` are those of
    its bones, `shafts` how long ones lie; `skin` (int8, mm) is positive inside the body; `hu` (int16) holds
    real bone texture, 0 where there is none. `negative` marks a real CT that shows none of the package's
    bones, `labelled` one whose bones are labelled; `boneless` marks a body that is painted without bones.
    """

    name: str
    structures: NDArray[np.uint8]
    tissues: tuple[Tissue, ...]
    classes: NDArray[np.uint8]
    surfaces: Surfaces
    skin: NDArray[np.int8]
    spacing_mm: NDArray[np.float64]
    hu: NDArray[np.int16] | None = None
    shafts: Shafts | None = None
    negative: bool = False
    boneless: bool = False
    labelled: bool = False

    @property
    def is_real(self) -> bool:
        """Returns whether patches are taken from a CT as it is, instead of being painted."""
        return self.hu is not None and (self.negative or self.labelled)

    @property
    def targets(self) -> NDArray[np.uint8]:
        """Returns the class of every voxel."""
        return self.classes[self.structures]


def load_lps(path: Path) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Reads NIfTI or a DICOM series as an array along left, posterior, superior, and its spacing in mm."""
    if not path.exists():
        raise UsageError(f"expected {path.parent.name}/{path.name} in the data folder, found none")
    image = nibabel.as_closest_canonical(dicom_image(path) if path.is_dir() else nibabel.load(path))
    array = np.asarray(image.dataobj)[::-1, ::-1, :]
    return np.ascontiguousarray(array), np.array(image.header.get_zooms()[:3], dtype=np.float64)


def dicom_image(folder: Path) -> nibabel.Nifti1Image:
    """Reads the largest series of a folder."""
    series = max(scan(folder).series, key=lambda one: len(one.frames))
    volume = read_volume(series)
    return nibabel.Nifti1Image(volume.hu, np.diag([-1.0, -1.0, 1.0, 1.0]) @ volume.grid.ijk_to_lps)


def resample(array: NDArray[Any], spacing_mm: NDArray[np.float64], to_mm: float, order: int) -> NDArray[Any]:
    """Resamples `array` to an isotropic spacing."""
    if np.allclose(spacing_mm, to_mm, rtol=0.02):
        return array
    return ndimage.zoom(array, spacing_mm / to_mm, order=order, grid_mode=True, mode="nearest")


def skin_distance(inner: NDArray[np.bool_], spacing_mm: float, margin_mm: float) -> NDArray[np.int8]:
    """Returns the signed distance in mm to a skin `margin_mm` outside a smooth hull of `inner`."""
    step = 4
    coarse = inner[::step, ::step, ::step]
    pad = int(np.ceil(60 / (spacing_mm * step)))
    padded = np.pad(coarse, [(pad, pad), (pad, pad), (0, 0)])
    distance = edt(~padded, spacing_mm * step)
    closed = edt(distance < 45, spacing_mm * step) > 45 - margin_mm
    signed = edt(closed, spacing_mm * step) - edt(~closed, spacing_mm * step)
    signed = ndimage.gaussian_filter(signed, 1.0)[pad:-pad, pad:-pad]
    full = ndimage.zoom(signed, step, order=1)[tuple(slice(0, n) for n in inner.shape)]
    filled = np.pad(full, [(0, n - m) for n, m in zip(inner.shape, full.shape, strict=True)], mode="edge")
    return within_skin_range(filled)


def signed_distance(inside: NDArray[np.bool_], spacing_mm: float) -> NDArray[np.int8]:
    """Returns the distance in mm to the surface of `inside`, positive within, at most 60 mm."""
    return within_skin_range(edt(inside, spacing_mm) - edt(~inside, spacing_mm))


def within_skin_range(distance_mm: NDArray[Any]) -> NDArray[np.int8]:
    """Clips a signed distance to the range of `Subject.skin`."""
    return np.clip(distance_mm, -MAXIMUM_SKIN_MM, MAXIMUM_SKIN_MM).astype(np.int8)


def from_structures(
    name: str,
    structures: NDArray[np.uint8],
    names: dict[int, str],
    classes: dict[str, list[str]],
    spacing_mm: float,
    skin: NDArray[np.int8] | float,
) -> Subject:
    """Builds a subject from a label map with named values; `classes` maps class to name patterns.

    `skin` is the signed distance in mm to it, or how far it lies outside a smooth hull of what is labelled.
    """
    size = max(names) + 1
    tissues = tuple(tissue_of(names.get(value, "fat")) for value in range(size))
    lookup = np.zeros(size, np.uint8)
    for value, structure in names.items():
        lookup[value] = class_of(structure, classes)
    bones = np.array([value if tissue.bone else 0 for value, tissue in enumerate(tissues)], np.uint8)
    return Subject(
        name=name,
        structures=structures,
        tissues=tissues,
        classes=lookup,
        surfaces=bone_surfaces(bones[structures], spacing_mm),
        skin=skin if isinstance(skin, np.ndarray) else skin_distance(structures > 0, spacing_mm, skin),
        spacing_mm=np.full(3, spacing_mm),
        shafts=shafts_of(bones[structures]),
    )


def class_of(structure: str, classes: dict[str, list[str]]) -> int:
    """Returns the number of the class (1, 2, ...) whose patterns match; 0 for none."""
    for number, patterns in enumerate(classes.values(), start=1):
        if any(fnmatch(structure, pattern) for pattern in patterns):
            return number
    return 0


def label_map_body(data: Path, row: LabelMapTable) -> Body:
    """Loads a label map with the names of its values, resampled to cubic voxels of FINEST_MM or more."""
    array, spacing = load_lps(data / row.path)
    spacing_mm = max(float(spacing[0]), FINEST_MM)
    return Body(resample(array.astype(np.uint8), spacing, spacing_mm, 0), names_of(data, row), spacing_mm)


def names_of(data: Path, row: LabelMapTable) -> dict[int, str]:
    """Returns the names of a label map's values."""
    table = row.names
    if isinstance(table, str):
        table = dict(json.loads((data / table).read_text(encoding="utf-8")))
    return {int(value): name for value, name in table.items()}


def label_map_subject(data: Path, row: BodyTable, classes: dict[str, list[str]]) -> Subject:
    """Loads a subject from a label map; one of bones alone gets a body from that of `around`."""
    body = label_map_body(data, row)
    if row.around:
        body = with_soft_tissue(body, label_map_body(data, row.around), classes)
    name = row.path.split("/")[-1].split(".")[0]
    return from_structures(name, body.structures, body.names, classes, body.spacing_mm, row.margin_mm)


def with_soft_tissue(bones: Body, donor: Body, classes: dict[str, list[str]]) -> Body:
    """Returns bones without specks, with the donor's body around them except for bones of their classes."""
    pieces, _ = ndimage.label(bones.structures > 0)
    whole = np.bincount(pieces.ravel()) * bones.spacing_mm**3 >= SPECK_MM3
    clean = replace(bones, structures=np.where(whole[pieces], bones.structures, 0).astype(np.uint8))
    there = {clean.names[value] for value in np.unique(clean.structures).tolist() if value}
    clean = replace(clean, names={value: name for value, name in clean.names.items() if name in there})
    learned = {class_of(name, classes) for name in there} - {0}
    return surround_with_body(
        clean, donor, {n for n in donor.names.values() if class_of(n, classes) in learned}
    )


def negative_subject(path: Path, to_mm: float, group: int = 0, unknown_mm: float = 0.0) -> Subject:
    """Loads a real CT in which some classes are absent; marks dense voxels, and those near, as unknown.

    Its unknown voxels have the target NOT_OURS less `group`.
    """
    array, spacing = load_lps(path)
    hu = resample(array.astype(np.float32), spacing, to_mm, 1).astype(np.int16)
    none = np.zeros(hu.shape, np.uint8)
    dense = hu > DENSE_HU
    unknown = edt(~dense, to_mm) <= unknown_mm if unknown_mm else dense
    return Subject(
        path.name.split(".")[0],
        unknown.astype(np.uint8),
        (tissue_of("fat"),) * 2,
        np.array([0, NOT_OURS - group], np.uint8),
        bone_surfaces(none, to_mm),
        none.astype(np.int8),
        np.full(3, to_mm),
        hu,
        negative=True,
    )
