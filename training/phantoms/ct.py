"""Draws the CT of a procedural, fractured pelvis and its ground truth."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import numpy as np

from operators.geometry.volume import Grid
from training.phantoms.breaking import break_bone
from training.phantoms.fractures import DEFAULT, Fractures, jittered
from training.phantoms.hounsfield import AIR_HU, SOFT_HU, streaks
from training.phantoms.rendering import PhantomCT, RenderedPiece, overlap, rendered
from training.phantoms.resample import fine_positions, interpolate
from training.phantoms.shapes import Field, Solid
from training.phantoms.skeleton.bones import bones
from training.phantoms.soft_tissue import soft_tissue
from training.phantoms.structures import Structure
from training.phantoms.subject import PhantomSubject, covering, grid_at, model_points, supine_subject

CT_EXTENT_MM = (409.6, 409.6, 274.0)
LOWEST_Z_MM = -98.0
BONE_SPACING_MM = 1.5
SOFT_SPACING_MM = 2.5
# PENGWIN 2024: 1-10 sacrum, 11-20 left hip bone, 21-30 right hip bone.
VALUES_OF_A_BONE = 10
FIRST_VALUE = {Structure.SACRUM: 1, Structure.HIP_LEFT: 11, Structure.HIP_RIGHT: 21}


def phantom_ct(
    rng: np.random.Generator,
    spacing_mm: tuple[float, float, float] = (0.8, 0.8, 1.0),
    fractures: Fractures | None = None,
) -> PhantomCT:
    """Draws a pelvis from mid-thigh to L4 on a table, about 410 x 410 x 274 mm, LPS, +x to the left.

    Without `fractures` it draws the default case: left hip bone in three pieces, sacrum in two.
    """
    grid = grid_at(spacing_mm, CT_EXTENT_MM, LOWEST_Z_MM)
    subject = supine_subject(rng)
    wanted = jittered(DEFAULT, rng) if fractures is None else fractures
    bone_grid = covering(grid, max(BONE_SPACING_MM, min(spacing_mm)))
    pieces, blood = _pieces(bone_grid, subject, wanted, rng)
    soft_grid = covering(grid, max(SOFT_SPACING_MM, *spacing_mm))
    soft = _soft_hu(soft_grid, subject, rng, [_on(solid, bone_grid, soft_grid) for solid in blood])
    return rendered(grid, (soft_grid, soft), (bone_grid, pieces), rng)


def _pieces(
    grid: Grid, subject: PhantomSubject, fractures: Fractures, rng: np.random.Generator
) -> tuple[list[RenderedPiece], list[Solid]]:
    """Returns every bone or fragment, largest value last, and the blood around the fractures."""
    points = model_points(grid, subject)
    pieces: list[RenderedPiece] = []
    blood: list[Solid] = []
    for structure, bone in bones(points).items():
        first = FIRST_VALUE.get(structure, 0)
        if structure not in fractures:
            pieces.append(RenderedPiece(bone, first))
            continue
        broken = break_bone(bone, fractures[structure], points, grid, rng)
        pieces += [RenderedPiece(solid, first + n) for n, solid in enumerate(broken.pieces)]
        blood.append(broken.haematoma)
    return pieces, blood


def _on(solid: Solid, source: Grid, target: Grid) -> Solid:
    """Returns the solid with its block given in another grid."""
    block, local = overlap(solid, fine_positions(source, target))
    return replace(solid, block=block, distance_mm=interpolate(solid.distance_mm, local))


def _soft_hu(grid: Grid, subject: PhantomSubject, rng: np.random.Generator, blood: list[Solid]) -> Field:
    """Returns HU of everything but bone, edges softened over one voxel."""
    hu = np.full(grid.shape, np.float32(AIR_HU))
    for solid in chain(soft_tissue(model_points(grid, subject), subject), blood):
        cover = np.clip(0.5 - solid.distance_mm / np.float32(grid.spacing_mm[0]), 0, 1)
        hu[solid.block] += cover * (np.float32(SOFT_HU[solid.structure]) - hu[solid.block])
    return np.where(hu > -140, hu + streaks(grid.shape, rng), hu)
