"""Breaks a phantom's bone with the planes, motions and connected pieces of the fracture simulator.

Three things differ from `training.fracturing`, which breaks the voxels of a bone on a patch:

- A phantom's bone is a signed distance, from which CTs of any voxel size are drawn. So a cut is the larger of
  two distances, the distances are moved instead of labels, and the blood is one more solid.
- The cuts are placed in model space instead of being drawn from the bone's form.
- Their roughness is a sum of waves in model space. The simulator's noise depends on the size of the patch,
  so that one seed would give different fractures on different grids.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from operators.geometry.volume import Grid
from training.fracturing.bone import components
from training.fracturing.displacement import rigidly_moved
from training.fracturing.surfaces import distance_of, unit
from training.phantoms.fractures import Cut
from training.phantoms.shapes import Field, Points, Solid
from training.phantoms.structures import Structure

_SPECK_MM = 0.8


@dataclass(frozen=True, eq=False)
class BrokenBone:
    """The pieces of one bone, the main one first, then by size, and the blood around the cuts."""

    pieces: tuple[Solid, ...]
    haematoma: Solid


def break_bone(
    bone: Solid, cuts: tuple[Cut, ...], points: Points, grid: Grid, rng: np.random.Generator
) -> BrokenBone:
    """Cuts a bone and moves the pieces; `points` are model coordinates on the whole grid of the bone's block.

    The grid is cubic, along the patient's axes.
    """
    here = points.at(bone.block)
    surfaces = [_surface(cut, here, rng) for cut in cuts]
    rest, moved = bone.distance_mm, []
    for cut, surface in zip(cuts, surfaces, strict=True):
        piece = np.maximum(bone.distance_mm, surface)
        rest = np.maximum(rest, -surface)
        moved.append(_moved(piece, cut, grid))
    near_cut = np.min(np.abs(np.stack(surfaces)), axis=0)
    blood = np.maximum(bone.distance_mm - np.float32(3.5), near_cut - np.float32(5.0))
    moved.sort(key=lambda distance: -int((distance < 0).sum()))
    pieces = tuple(replace(bone, distance_mm=_without_specks(d, grid)) for d in (rest, *moved))
    return BrokenBone(pieces, Solid(Structure.HAEMATOMA, bone.block, blood))


def _surface(cut: Cut, p: Points, rng: np.random.Generator) -> Field:
    """Returns the signed distance to a cut, negative in the piece."""
    distances = [
        distance_of(unit(np.array(plane.normal)).astype(np.float32), plane.point_mm, (p.x, p.y, p.z))
        for plane in cut.planes
    ]
    distances[0] = distances[0] + _roughness(p, cut.rough_mm, rng)
    return np.asarray(np.max(np.stack(distances), axis=0), dtype=np.float32)


def _roughness(p: Points, amplitude_mm: float, rng: np.random.Generator) -> Field:
    """Returns a sum of waves of 9 to 45 mm in random directions, with a slope below 1."""
    total = np.zeros(p.x.shape, dtype=np.float32)
    for wavelength_mm in (45.0, 28.0, 16.0, 9.0):
        direction = rng.normal(size=3)
        direction *= 2 * np.pi / wavelength_mm / np.linalg.norm(direction)
        kx, ky, kz = (np.float32(v) for v in direction)
        wave = np.sin(p.x * kx + p.y * ky + p.z * kz + np.float32(rng.uniform(0, 2 * np.pi)))
        total += np.float32(amplitude_mm * (wavelength_mm / 45.0) ** 0.9) * wave
    return total


def _moved(distance: Field, cut: Cut, grid: Grid) -> Field:
    """Returns the distances of the block after the rigid motion of a cut."""
    turn = Rotation.from_rotvec(cut.turn_deg, degrees=True)
    shift = np.array(cut.shift_mm) / grid.spacing_mm
    return rigidly_moved(distance, turn, shift, np.array(ndimage.center_of_mass(distance < 0)))


def _without_specks(distance: Field, grid: Grid) -> Field:
    """Returns a piece without all but its largest connected part."""
    parts, sizes = components((distance < 0).astype(np.uint8))
    largest = int(np.argmax(sizes))
    specks = (parts > 0) & (parts != largest)
    if not specks.any():
        return distance
    around = ndimage.binary_dilation(specks, iterations=1 + round(_SPECK_MM / min(grid.spacing_mm)))
    emptied = around & (parts != largest)
    return np.where(emptied, np.maximum(distance, np.float32(_SPECK_MM)), distance)
