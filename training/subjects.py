"""Training subjects: label maps, masked bones and CTs without the anatomy, brought to one form."""

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

from operators.errors import UsageError
from training.tissues import Tissue, tissue_of

DEPTH_STEP_MM = 0.1
NOT_OURS = 254
MAXIMUM_DEPTH_MM = 12.0
MAXIMUM_SKIN_MM = 60.0


@dataclass(frozen=True, eq=False)
class Subject:
    """One body on an array whose axes run to the patient's left, posterior, superior.

    `structures` (uint8) index `tissues`; `targets` (uint8) are the classes to be learned;
    `depth` (uint8, 0.1 mm) is the distance to the surface inside bone; `skin` (int8, mm) is
    positive inside the body; `hu` (int16) holds real bone texture, 0 where there is none.
    `negative` marks a CT in which none of the package's bones may be found.
    """

    name: str
    structures: NDArray[np.uint8]
    tissues: tuple[Tissue, ...]
    targets: NDArray[np.uint8]
    depth: NDArray[np.uint8]
    skin: NDArray[np.int8]
    spacing_mm: NDArray[np.float64]
    hu: NDArray[np.int16] | None = None
    negative: bool = False


def load_lps(path: Path) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """A NIfTI file as an array along left, posterior, superior, and its spacing in mm."""
    if not path.is_file():
        raise UsageError(f"expected {path.parent.name}/{path.name} in the data folder, found none")
    image = nibabel.as_closest_canonical(nibabel.load(path))
    array = np.asarray(image.dataobj)[::-1, ::-1, :]
    return np.ascontiguousarray(array), np.array(image.header.get_zooms()[:3], dtype=np.float64)


def resample(array: NDArray[Any], spacing_mm: NDArray[np.float64], to_mm: float, order: int) -> NDArray[Any]:
    """`array` at an isotropic spacing."""
    if np.allclose(spacing_mm, to_mm, rtol=0.02):
        return array
    result: NDArray[Any] = ndimage.zoom(
        array, spacing_mm / to_mm, order=order, grid_mode=True, mode="nearest"
    )
    return result


def bone_depth(bones: NDArray[np.uint8], spacing_mm: float) -> NDArray[np.uint8]:
    """Distance in 0.1 mm to the bone's own surface, for each labelled bone on its own."""
    depth = np.zeros(bones.shape, np.uint8)
    for value, box in enumerate(ndimage.find_objects(bones), start=1):
        if box is None:
            continue
        grown = tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in box)
        inside = bones[grown] == value
        distance = ndimage.distance_transform_edt(inside, sampling=spacing_mm)
        steps = np.minimum(distance, MAXIMUM_DEPTH_MM) / DEPTH_STEP_MM
        np.maximum(depth[grown], np.where(inside, steps, 0).astype(np.uint8), out=depth[grown])
    return depth


def skin_distance(inner: NDArray[np.bool_], spacing_mm: float, margin_mm: float) -> NDArray[np.int8]:
    """Signed distance in mm to a skin drawn `margin_mm` outside a smooth hull of `inner`."""
    step = 4
    coarse = inner[::step, ::step, ::step]
    pad = int(np.ceil(60 / (spacing_mm * step)))
    padded = np.pad(coarse, [(pad, pad), (pad, pad), (0, 0)])
    distance = ndimage.distance_transform_edt(~padded, sampling=spacing_mm * step)
    closed = ndimage.distance_transform_edt(distance < 45, sampling=spacing_mm * step) > 45 - margin_mm
    signed = ndimage.distance_transform_edt(closed, sampling=spacing_mm * step) - (
        ndimage.distance_transform_edt(~closed, sampling=spacing_mm * step)
    )
    signed = ndimage.gaussian_filter(signed, 1.0)[pad:-pad, pad:-pad]
    full = ndimage.zoom(signed, step, order=1)[tuple(slice(0, n) for n in inner.shape)]
    filled = np.pad(full, [(0, n - m) for n, m in zip(inner.shape, full.shape, strict=True)], mode="edge")
    return within_skin_range(filled)


def signed_distance(inside: NDArray[np.bool_], spacing_mm: float) -> NDArray[np.int8]:
    """Distance in mm to the surface of `inside`, positive within, to 60 mm at most."""
    within = ndimage.distance_transform_edt(inside, sampling=spacing_mm)
    without = ndimage.distance_transform_edt(~inside, sampling=spacing_mm)
    return within_skin_range(within - without)


def within_skin_range(distance_mm: NDArray[Any]) -> NDArray[np.int8]:
    """A signed distance, as far as `Subject.skin` can hold it."""
    clipped: NDArray[np.int8] = np.clip(distance_mm, -MAXIMUM_SKIN_MM, MAXIMUM_SKIN_MM).astype(np.int8)
    return clipped


def from_structures(
    name: str,
    structures: NDArray[np.uint8],
    names: dict[int, str],
    classes: dict[str, list[str]],
    spacing_mm: float,
    margin_mm: float,
) -> Subject:
    """A subject of a label map whose values are named; `classes` maps class to name patterns."""
    size = max(names) + 1
    tissues = tuple(tissue_of(names.get(value, "fat")) for value in range(size))
    lookup = np.zeros(size, np.uint8)
    for value, structure in names.items():
        lookup[value] = class_of(structure, classes)
    bones = np.array([tissue.bone for tissue in tissues])
    return Subject(
        name=name,
        structures=structures,
        tissues=tissues,
        targets=lookup[structures],
        depth=bone_depth(np.where(bones[structures], structures, 0), spacing_mm),
        skin=skin_distance(structures > 0, spacing_mm, margin_mm),
        spacing_mm=np.full(3, spacing_mm),
    )


def class_of(structure: str, classes: dict[str, list[str]]) -> int:
    """The number of the class (1, 2, ...) whose patterns match; 0 for none."""
    for number, patterns in enumerate(classes.values(), start=1):
        if any(fnmatch(structure, pattern) for pattern in patterns):
            return number
    return 0


def label_map_subject(path: Path, names_file: Path, classes: dict[str, list[str]]) -> Subject:
    """A subject of a whole-body label map with a table of its values' names."""
    array, spacing = load_lps(path)
    table = json.loads(names_file.read_text(encoding="utf-8"))
    names = {int(value): name for value, name in table.items()}
    spacing_mm = float(spacing[0])
    structures = resample(array.astype(np.uint8), spacing, spacing_mm, 0)
    return from_structures(path.name.split(".")[0], structures, names, classes, spacing_mm, 12)


def only_file(folder: Path, pattern: str) -> Path:
    """The file of a bone set that is named so. Raises UsageError."""
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise UsageError(f"expected one file {folder.name}/{pattern} in the data folder, found {len(found)}")
    return found[0]


def bone_set_subject(
    folder: Path, bones: dict[str, str], classes: dict[str, list[str]], to_mm: float
) -> Subject:
    """A subject of bones masked out of one patient's CT: real texture, made-up surroundings."""
    masks = {s: load_lps(only_file(folder, f"*_{s}_mask.nii.gz")) for s in bones}
    spacing = next(iter(masks.values()))[1]
    box = bounding_box(np.any([mask > 0 for mask, _ in masks.values()], axis=0), 3)
    around = [(int(60 / to_mm), int(60 / to_mm))] * 2 + [(0, 0)]
    layers = []
    for suffix, (mask, _) in masks.items():
        image, _ = load_lps(only_file(folder, f"*_{suffix}.nii.gz"))
        inside, texture = bone_layer(mask[box] > 0, image[box], spacing, to_mm)
        layers.append((np.pad(inside, around), np.pad(texture, around)))
    structures, hu = merged(layers)
    names = {0: "fat", **dict(enumerate(bones.values(), start=1))}
    plain = from_structures(folder.name, structures, names, classes, to_mm, 40)
    return replace(plain, hu=hu, skin=elliptical_skin(structures > 0, to_mm, 45))


def merged(
    layers: list[tuple[NDArray[np.bool_], NDArray[np.int16]]],
) -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
    """Bones numbered 1, 2, ... in one array, and their texture; a bone's own is never painted over."""
    shape = layers[0][0].shape
    structures, hu = np.zeros(shape, np.uint8), np.zeros(shape, np.int16)
    for value, (inside, texture) in enumerate(layers, start=1):
        structures[inside] = value
        near = inside | ((hu == 0) & (texture != 0))
        hu[near] = texture[near]
    return structures, hu


def bounding_box(mask: NDArray[np.bool_], margin: int) -> tuple[slice, ...]:
    """The block that holds all of `mask`, grown by `margin` voxels."""
    box = []
    for axis in range(mask.ndim):
        there = np.flatnonzero(mask.any(axis=tuple(a for a in range(mask.ndim) if a != axis)))
        box.append(slice(max(int(there[0]) - margin, 0), int(there[-1]) + 1 + margin))
    return tuple(box)


def bone_layer(
    mask: NDArray[np.bool_], image: NDArray[Any], spacing_mm: NDArray[np.float64], to_mm: float
) -> tuple[NDArray[np.bool_], NDArray[np.int16]]:
    """A masked bone at an isotropic spacing, its texture carried 4 mm past its edge.

    Without that, interpolation would mix the zeros outside the mask into the cortex.
    """
    distance, nearest = ndimage.distance_transform_edt(~mask, sampling=spacing_mm, return_indices=True)
    filled = image.astype(np.float32)[tuple(nearest)]
    inside = resample(mask.astype(np.float32), spacing_mm, to_mm, 1) >= 0.5
    texture = resample(filled, spacing_mm, to_mm, 1)
    near = resample((distance < 4).astype(np.float32), spacing_mm, to_mm, 1) >= 0.5
    return inside, np.where(near, np.round(texture), 0).astype(np.int16)


def elliptical_skin(inner: NDArray[np.bool_], spacing_mm: float, margin_mm: float) -> NDArray[np.int8]:
    """Signed distance in mm to the skin of a body that is an ellipse in every axial slice."""
    i, j = np.nonzero(inner.any(axis=2))
    centre = (i.min() + i.max()) / 2, (j.min() + j.max()) / 2
    radii = (np.ptp(i) / 2 + margin_mm / spacing_mm, np.ptp(j) / 2 + margin_mm / spacing_mm)
    grid = np.ogrid[: inner.shape[0], : inner.shape[1]]
    r = np.sqrt(sum(((g - c) / a) ** 2 for g, c, a in zip(grid, centre, radii, strict=True)))
    signed = np.clip((1 - r) * min(radii) * spacing_mm, -MAXIMUM_SKIN_MM, MAXIMUM_SKIN_MM)
    return np.broadcast_to(signed[..., None], inner.shape).astype(np.int8)


def negative_subject(path: Path, to_mm: float) -> Subject:
    """A real CT that holds none of the package's bones."""
    array, spacing = load_lps(path)
    hu = resample(array.astype(np.float32), spacing, to_mm, 1).astype(np.int16)
    empty = np.zeros(hu.shape, np.uint8)
    targets = np.where(hu > 120, NOT_OURS, 0).astype(np.uint8)
    return Subject(
        path.name.split(".")[0], empty, (tissue_of("fat"),), targets, empty,
        empty.astype(np.int8), np.full(3, to_mm), hu, negative=True,
    )
