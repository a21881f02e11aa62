"""Draws the label map of a procedural pelvis, and its CT without bones, in which no bone may be found."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operators.geometry.volume import CtVolume, Grid, LabelMap
from training.phantoms.hounsfield import AIR_HU, SOFT_HU
from training.phantoms.resample import fine_positions, interpolate
from training.phantoms.shapes import Solid
from training.phantoms.skeleton.bones import bones
from training.phantoms.soft_tissue import soft_tissue
from training.phantoms.structures import BONES, Structure
from training.phantoms.subject import PhantomSubject, covering, grid_at, model_points, random_subject

EXTENT_MM = (430.0, 310.0, 274.0)
LOWEST_Z_MM = -98.0
_SOFT_SPACING_MM = 3.0
_BODY_SPACING_MM, _NOISE_HU = 1.5, 14.0


def pelvis_labels(rng: np.random.Generator, spacing_mm: float) -> LabelMap:
    """Draws a random pelvis with soft tissue; values of `Structure` on a cubic LPS grid.

    About 430 x 310 x 274 mm from mid-thigh to L4; +x is the patient's left. `spacing_mm` is 1 to 4.
    """
    grid = grid_at((spacing_mm,) * 3, EXTENT_MM, LOWEST_Z_MM)
    return LabelMap(label_array(grid, random_subject(rng)), grid)


def boneless_ct(rng: np.random.Generator) -> CtVolume:
    """Draws a CT without bones: 1.5 mm voxels, HU as int16, axes along left, posterior, superior."""
    body = pelvis_labels(rng, _BODY_SPACING_MM)
    hu_of = {Structure.BACKGROUND: AIR_HU, **dict.fromkeys(BONES, SOFT_HU[Structure.MUSCLE]), **SOFT_HU}
    table = np.array([hu_of[structure] for structure in Structure], np.float32)
    hu = table[body.labels] + rng.standard_normal(body.grid.shape, dtype=np.float32) * np.float32(_NOISE_HU)
    return CtVolume(np.rint(hu).astype(np.int16), body.grid)


def label_array(grid: Grid, subject: PhantomSubject) -> NDArray[np.uint8]:
    """Returns the structure at every voxel of the grid."""
    labels = soft_labels(grid, subject)
    for bone in bones(model_points(grid, subject)).values():
        labels[bone.block][bone.distance_mm < 0] = bone.structure
    return labels


def soft_labels(grid: Grid, subject: PhantomSubject) -> NDArray[np.uint8]:
    """Returns the soft tissue at every voxel: distances drawn at 3 mm and interpolated."""
    coarse = covering(grid, max(_SOFT_SPACING_MM, *grid.spacing_mm))
    positions = fine_positions(coarse, grid)
    labels = np.zeros(grid.shape, dtype=np.uint8)
    for solid in soft_tissue(model_points(coarse, subject), subject):
        _paint(labels, solid, positions)
    return labels


def _paint(labels: NDArray[np.uint8], solid: Solid, positions: list[NDArray[np.float64]]) -> None:
    """Paints one solid in place; interpolates only within its block."""
    near = solid.distance_mm < 6
    if not near.any():
        return
    block, local = [], []
    for axis, (position, extent) in enumerate(zip(positions, solid.block, strict=True)):
        used = np.flatnonzero(near.any(axis=tuple(a for a in range(3) if a != axis))) + extent.start
        chosen = np.flatnonzero((position >= used[0] - 1) & (position <= used[-1] + 1))
        if not len(chosen):
            return
        block.append(slice(int(chosen[0]), int(chosen[-1]) + 1))
        local.append(position[chosen] - extent.start)
    labels[tuple(block)][interpolate(solid.distance_mm, local) < 0] = solid.structure
