"""Renders a CT from coarse distances: interpolates, paints bone over soft tissue, adds couch and noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.geometry.volume import CtVolume, Grid, LabelMap
from training.fracturing.bone import components
from training.phantoms.hounsfield import AIR_HU, BONE_LOOK, bone_hu, trabecular_tile
from training.phantoms.resample import fine_positions, interpolate
from training.phantoms.shapes import Field, Solid

_SLAB = 16
_NOISE_HU = 14.0


@dataclass(frozen=True, eq=False)
class PhantomCT:
    """CT in HU and ground truth on one grid; truth is 1-10 sacrum, 11-20 left and 21-30 right hip bone."""

    ct: CtVolume
    truth: LabelMap


@dataclass(frozen=True, eq=False)
class RenderedPiece:
    """A bone or fragment, the structure it belongs to, and its value in the ground truth (0: none)."""

    solid: Solid
    value: int


def rendered(
    grid: Grid, soft: tuple[Grid, Field], hard: tuple[Grid, list[RenderedPiece]], rng: np.random.Generator
) -> PhantomCT:
    """Interpolates everything to the CT's grid, a few slices at a time."""
    hu = np.empty(grid.shape, dtype=np.int16)
    truth = np.zeros(grid.shape, dtype=np.uint8)
    tile, table = trabecular_tile(rng), _table_hu(grid)
    soft_positions, bone_positions = (fine_positions(coarse, grid) for coarse in (soft[0], hard[0]))
    z_mm = (grid.ijk_to_lps[2, 3] + np.arange(grid.shape[2]) * grid.spacing_mm[2]).astype(np.float32)
    for start in range(0, grid.shape[2], _SLAB):
        ks = slice(start, min(start + _SLAB, grid.shape[2]))
        slab = interpolate(soft[1], [*soft_positions[:2], soft_positions[2][ks]])
        slab = np.asarray(np.where(slab < -940, np.maximum(slab, table[..., None]), slab), np.float32)
        nearest = _nearest(hard[1], [*bone_positions[:2], bone_positions[2][ks]], slab.shape)
        _add_bone(slab, truth[:, :, ks], nearest, hard[1], np.roll(tile, -start, axis=2), z_mm[ks])
        hu[:, :, ks] = np.clip(slab + _noise(slab.shape, rng), -1024, 3071)
    _drop_crumbs(truth)
    return PhantomCT(CtVolume(hu, grid), LabelMap(truth, grid))


def _drop_crumbs(truth: NDArray[np.uint8]) -> None:
    """Keeps the largest face-connected component of each value: sampling can detach voxels at sharp edges."""
    for value, block in enumerate(ndimage.find_objects(truth), start=1):
        if block is None:
            continue
        parts, sizes = components((truth[block] == value).astype(np.uint8))
        truth[block][(parts > 0) & (parts != np.argmax(sizes))] = 0


def _nearest(
    pieces: list[RenderedPiece], positions: list[NDArray[np.float64]], shape: tuple[int, ...]
) -> tuple[Field, NDArray[np.uint8]]:
    """Returns the distance to the nearest piece, up to 1 mm, and its index."""
    distance = np.ones(shape, dtype=np.float32)
    which = np.zeros(shape, dtype=np.uint8)
    for number, piece in enumerate(pieces):
        block, local = overlap(piece.solid, positions)
        fine = interpolate(piece.solid.distance_mm, local)
        nearer = fine < distance[block]
        distance[block][nearer] = fine[nearer]
        which[block][nearer] = number
    return distance, which


def _add_bone(
    slab: Field,
    truth: NDArray[np.uint8],
    nearest: tuple[Field, NDArray[np.uint8]],
    pieces: list[RenderedPiece],
    tile: NDArray[np.float32],
    z_mm: Field,
) -> None:
    """Paints bone over soft tissue, half covered at its surface, and writes the ground truth inside it."""
    distance, which = nearest
    where = np.nonzero(distance < 0.5)
    texture = tile[where[0] % 96, where[1] % 96, where[2] % 96]
    depth, number, height = -distance[where], which[where], z_mm[where[2]]
    hu = np.zeros(depth.shape, dtype=np.float32)
    for structure, look in BONE_LOOK.items():
        mine = np.isin(number, [n for n, piece in enumerate(pieces) if piece.solid.structure == structure])
        hu[mine] = bone_hu(depth[mine], height[mine], texture[mine], look)
    cover = np.clip(0.5 + depth, 0, 1)
    slab[where] += cover * (hu - slab[where])
    values = np.array([piece.value for piece in pieces], dtype=np.uint8)
    truth[where] = np.where(depth > 0, values[number], 0)


def _table_hu(grid: Grid) -> Field:
    """Returns the couch, the same in every slice: a curved carbon shell filled with foam."""
    i, j = (np.arange(n, dtype=np.float32) for n in grid.shape[:2])
    x = (i * grid.spacing_mm[0] + np.float32(grid.ijk_to_lps[0, 3]))[:, None]
    y = (j * grid.spacing_mm[1] + np.float32(grid.ijk_to_lps[1, 3]))[None, :]
    top = 158 - 22 * (x / 200) ** 2
    inside = np.maximum(np.maximum(top - y, y - 188), np.abs(x) - 195)
    foam = np.where(inside < -2, np.float32(-900), np.float32(-300))
    return np.asarray(np.where(inside < 0, foam, AIR_HU), dtype=np.float32)


def _noise(shape: tuple[int, ...], rng: np.random.Generator) -> Field:
    """Returns quantum noise, correlated along rows as after a reconstruction filter."""
    white = rng.standard_normal(shape, dtype=np.float32)
    white[1:] += 0.6 * white[:-1]
    return white * np.float32(_NOISE_HU / 1.17)


def overlap(
    solid: Solid, positions: list[NDArray[np.float64]]
) -> tuple[tuple[slice, slice, slice], list[NDArray[np.float64]]]:
    """Returns the target voxels over a solid's block, and their indices in the block."""
    slices, local = [], []
    for position, extent in zip(positions, solid.block, strict=True):
        chosen = np.flatnonzero((position >= extent.start) & (position <= extent.stop - 1))
        start = int(chosen[0]) if len(chosen) else 0
        slices.append(slice(start, start + len(chosen)))
        local.append(position[chosen] - extent.start)
    return (slices[0], slices[1], slices[2]), local
