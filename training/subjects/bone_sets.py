"""Subjects made of bones masked out of a patient's CT: real texture, other surroundings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.errors import UsageError
from training.fracturing.bone import box_of
from training.subjects.subjects import (
    LABELLED_MARGIN_MM,
    MAXIMUM_SKIN_MM,
    Subject,
    class_of,
    from_structures,
    load_lps,
    resample,
)
from training.subjects.surroundings import Body, surround_with_body

# Margin of the donor's body around the bones
AROUND_MM = 60.0


def bone_set_subject(
    folder: Path,
    bones: dict[str, str],
    classes: dict[str, list[str]],
    to_mm: float,
    donor: Body | None = None,
) -> Subject:
    """Builds a subject of one patient's masked bones, in the donor's body or in soft tissue only."""
    masks = {s: load_lps(only_file(folder, f"*_{s}_mask.nii.gz")) for s in bones}
    spacing = next(iter(masks.values()))[1]
    box = box_of(np.any([mask > 0 for mask, _ in masks.values()], axis=0), 3)
    margin = int(AROUND_MM / to_mm)
    around = [(margin, margin)] * 2 + [(margin, margin) if donor else (0, 0)]
    layers = []
    for suffix, (mask, _) in masks.items():
        image, _ = load_lps(only_file(folder, f"*_{suffix}.nii.gz"))
        cut = mask[box] > 0
        inside, texture = bone_layer(cut, image[box], spacing, to_mm, whole_voxels(cut))
        layers.append((np.pad(inside, around), np.pad(texture, around)))
    structures, hu = merge_bones(layers)
    own = Body(structures, dict(enumerate(bones.values(), start=1)), to_mm)
    if donor:
        return in_donor(folder.name, own, hu, classes, donor)
    plain = from_structures(folder.name, structures, {0: "fat", **own.names}, classes, to_mm, 40)
    return replace(plain, hu=hu, skin=elliptical_skin(structures > 0, to_mm, 45))


def in_donor(
    name: str, own: Body, hu: NDArray[np.int16], classes: dict[str, list[str]], donor: Body
) -> Subject:
    """Returns the bones with the donor's body around them, over the extent of either along the body."""
    learned = {class_of(bone, classes) for bone in own.names.values()} - {0}
    dropped = {other for other in donor.names.values() if class_of(other, classes) in learned}
    body = surround_with_body(own, donor, dropped)
    reached = np.flatnonzero(body.structures.any(axis=(0, 1)))
    levels = slice(int(reached[0]), int(reached[-1]) + 1)
    structures = np.ascontiguousarray(body.structures[:, :, levels])
    names = {0: "fat", **body.names}
    made = from_structures(name, structures, names, classes, own.spacing_mm, LABELLED_MARGIN_MM)
    return replace(made, hu=np.ascontiguousarray(hu[:, :, levels]))


def only_file(folder: Path, pattern: str) -> Path:
    """Returns the one file that matches. Raises UsageError if there is none or several."""
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise UsageError(f"expected one file {folder.name}/{pattern} in the data folder, found {len(found)}")
    return found[0]


def merge_bones(
    layers: list[tuple[NDArray[np.bool_], NDArray[np.int16]]],
) -> tuple[NDArray[np.uint8], NDArray[np.int16]]:
    """Numbers bones 1, 2, ... in one array and merges their texture; keeps each bone's own inside it."""
    shape = layers[0][0].shape
    structures, hu = np.zeros(shape, np.uint8), np.zeros(shape, np.int16)
    for value, (inside, texture) in enumerate(layers, start=1):
        structures[inside] = value
        near = inside | ((hu == 0) & (texture != 0))
        hu[near] = texture[near]
    return structures, hu


def bone_layer(
    mask: NDArray[np.bool_],
    image: NDArray[Any],
    spacing_mm: NDArray[np.float64],
    to_mm: float,
    trusted: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.bool_], NDArray[np.int16]]:
    """Resamples a masked bone to an isotropic spacing, its texture extended 4 mm beyond its edge.

    Without the extension, interpolation would mix the zeros outside the mask into the cortex. The texture
    is that of the `trusted` voxels, by default of all voxels of the mask.
    """
    known = mask if trusted is None else trusted
    distance, nearest = ndimage.distance_transform_edt(~known, sampling=spacing_mm, return_indices=True)
    filled = image.astype(np.float32)[tuple(nearest)]
    inside = resample(mask.astype(np.float32), spacing_mm, to_mm, 1) >= 0.5
    texture = resample(filled, spacing_mm, to_mm, 1)
    near = resample((distance < 4).astype(np.float32), spacing_mm, to_mm, 1) >= 0.5
    return inside, np.where(near | inside, np.round(texture), 0).astype(np.int16)


def whole_voxels(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Returns a mask without its outermost voxels, which are half soft tissue; keeps thin sheets.

    Measured on two patients: the outermost layer has 0.62 to 0.75 of the next layer's HU.
    """
    inner = ndimage.binary_erosion(mask)
    return inner | (mask & ~ndimage.binary_dilation(inner, iterations=2))


def elliptical_skin(inner: NDArray[np.bool_], spacing_mm: float, margin_mm: float) -> NDArray[np.int8]:
    """Returns the signed distance in mm to the skin of a body that is an ellipse in every axial slice."""
    i, j = np.nonzero(inner.any(axis=2))
    centre = (i.min() + i.max()) / 2, (j.min() + j.max()) / 2
    radii = (np.ptp(i) / 2 + margin_mm / spacing_mm, np.ptp(j) / 2 + margin_mm / spacing_mm)
    grid = np.ogrid[: inner.shape[0], : inner.shape[1]]
    r = np.sqrt(sum(((g - c) / a) ** 2 for g, c, a in zip(grid, centre, radii, strict=True)))
    signed = np.clip((1 - r) * min(radii) * spacing_mm, -MAXIMUM_SKIN_MM, MAXIMUM_SKIN_MM)
    return np.broadcast_to(signed[..., None], inner.shape).astype(np.int8)
