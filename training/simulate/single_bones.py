"""Loads single bones for the fracture network, from masked CTs, label maps and procedural CTs."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.fracturing.bone import box_of
from training.phantoms import Phantom
from training.row_tables import LabelMapTable
from training.simulate.bone_patches import BoneSubject
from training.subjects.bone_sets import bone_layer, only_file
from training.subjects.subjects import load_lps, names_of

# Spacing of the fracture network
BONE_SPACING_MM = 0.8


def label_map_bones(data: Path, row: LabelMapTable, patterns: Sequence[str]) -> list[BoneSubject]:
    """Returns every bone of a label map whose name matches."""
    array, spacing = load_lps(data / row.path)
    chosen = {v: n for v, n in names_of(data, row).items() if any(fnmatch(n, p) for p in patterns)}
    boxes = ndimage.find_objects(array.astype(np.uint8))
    return [
        bone_of(f"{row.path} {name}", array[boxes[value - 1]] == value, spacing)
        for value, name in chosen.items()
        if value <= len(boxes) and boxes[value - 1] is not None and (array == value).sum() > 2000
    ]


def scanned_phantom(model: Phantom, seed: int) -> list[BoneSubject]:
    """Returns the bones of one procedural CT at BONE_SPACING_MM, fractured if the seed is odd."""
    spacing = (BONE_SPACING_MM,) * 3
    made = model.ct(np.random.default_rng(seed), spacing, None if seed % 2 else {})
    truth = made.truth.labels
    return [
        textured_bone(
            f"phantom {seed} {number}",
            np.where(np.isin(truth, values), truth - (values.start - 1), 0).astype(np.uint8),
            made.ct.hu,
            np.array(spacing),
        )
        for number, values in enumerate(model.bones.values())
        if np.isin(truth, values).any()
    ]


def real_bone(folder: Path, suffix: str) -> BoneSubject:
    """Loads a bone of a masked CT with its true fragments, at BONE_SPACING_MM."""
    mask, spacing = load_lps(only_file(folder, f"*_{suffix}_mask.nii.gz"))
    image, _ = load_lps(only_file(folder, f"*_{suffix}.nii.gz"))
    return textured_bone(f"{folder.name}_{suffix}", mask, image, spacing)


def textured_bone(
    name: str, mask: NDArray[Any], image: NDArray[Any], spacing: NDArray[np.float64]
) -> BoneSubject:
    """Crops a bone of a CT with its fragments (0 outside it), at BONE_SPACING_MM."""
    box = box_of(mask > 0, 8)
    inside, texture = bone_layer(mask[box] > 0, image[box], spacing, BONE_SPACING_MM)
    zoom = [b / a for a, b in zip(mask[box].shape, inside.shape, strict=True)]
    fragments = ndimage.zoom(mask[box].astype(np.uint8), zoom, order=0, grid_mode=True, mode="nearest")
    return BoneSubject(name, fragments, inside.astype(np.float32), texture, np.full(3, BONE_SPACING_MM))


def bone_of(name: str, mask: NDArray[np.bool_], spacing_mm: NDArray[np.float64]) -> BoneSubject:
    """Returns the shape of a label map's bone, smoothed to hide the voxels' steps."""
    padded = np.pad(mask, 8).astype(np.float32)
    smooth = ndimage.gaussian_filter(padded, 0.7)
    return BoneSubject(name, (smooth >= 0.5).astype(np.uint8), smooth, None, spacing_mm)
