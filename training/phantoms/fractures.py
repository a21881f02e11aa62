"""Breaks bones: rough surfaces cut them, the pieces are moved apart, and blood fills the gaps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.geometry.volume import Grid
from training.phantoms.shapes import Field, Point, Points, Solid
from training.phantoms.structures import Structure

_SPECK_MM = 0.8


@dataclass(frozen=True)
class FracturePlane:
    """A cutting plane in model space; the piece lies on the side away from `normal`."""

    point_mm: Point
    normal: Point


@dataclass(frozen=True)
class Cut:
    """Breaks one piece off a bone: what lies behind all planes, the first of them rough.

    The piece moves by `shift_mm` (LPS) and turns by `turn_deg` about the LPS axes through its middle.
    """

    planes: tuple[FracturePlane, ...]
    shift_mm: Point
    turn_deg: Point = (0.0, 0.0, 0.0)
    rough_mm: float = 1.6


Fractures = dict[Structure, tuple[Cut, ...]]

LEFT_WING = Cut((FracturePlane((118, 2, 104), (-0.20, 0.84, -0.52)),), (2.6, -3.2, 1.4), (3.0, -2.0, 3.0))
LEFT_PUBIS = Cut(
    (FracturePlane((47, 0, -20), (1.0, 0.12, 0.10)), FracturePlane((0, 26, 0), (0.0, 1.0, 0.0))),
    (-0.3, -3.0, -2.4),
    (-2.0, 0.0, 1.0),
)
LEFT_ALA = Cut((FracturePlane((27, 60, 80), (-1.0, 0.05, -0.10)),), (0.9, -1.2, 2.2), (1.0, 0.0, 0.0))
DEFAULT: Fractures = {Structure.HIP_LEFT: (LEFT_WING, LEFT_PUBIS), Structure.SACRUM: (LEFT_ALA,)}


def jittered(fractures: Fractures, rng: np.random.Generator) -> Fractures:
    """Returns the fractures a few mm and degrees elsewhere."""
    return {bone: tuple(_jittered(cut, rng) for cut in cuts) for bone, cuts in fractures.items()}


def _jittered(cut: Cut, rng: np.random.Generator) -> Cut:
    planes = tuple(
        FracturePlane(_near(plane.point_mm, rng, 2.5), _near(plane.normal, rng, 0.06)) for plane in cut.planes
    )
    shift_mm, turn_deg = _near(cut.shift_mm, rng, 0.4), _near(cut.turn_deg, rng, 0.8)
    return replace(cut, planes=planes, shift_mm=shift_mm, turn_deg=turn_deg)


def _near(point: Point, rng: np.random.Generator, spread: float) -> Point:
    x, y, z = (float(v + rng.normal(0, spread)) for v in point)
    return x, y, z


@dataclass(frozen=True, eq=False)
class BrokenBone:
    """The pieces of one bone, the main one first, then by size, and the blood round the cuts."""

    pieces: tuple[Solid, ...]
    haematoma: Solid


def break_bone(
    bone: Solid, cuts: tuple[Cut, ...], points: Points, grid: Grid, rng: np.random.Generator
) -> BrokenBone:
    """Cut and move; `points` are the model's coordinates on the whole grid that `bone` is a block of."""
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
    """Signed distance to a cut, negative in the piece."""
    distances = [_distance(plane, p) for plane in cut.planes]
    distances[0] = distances[0] + _roughness(p, cut.rough_mm, rng)
    return np.asarray(np.max(np.stack(distances), axis=0), dtype=np.float32)


def _distance(plane: FracturePlane, p: Points) -> Field:
    a, b, c = (np.float32(v) for v in np.array(plane.normal) / np.linalg.norm(plane.normal))
    x, y, z = plane.point_mm
    return np.asarray((p.x - x) * a + (p.y - y) * b + (p.z - z) * c, dtype=np.float32)


def _roughness(p: Points, amplitude_mm: float, rng: np.random.Generator) -> Field:
    """A sum of waves of 9 to 45 mm in random directions; its slope stays under 1."""
    total = np.zeros(p.x.shape, dtype=np.float32)
    for wavelength_mm in (45.0, 28.0, 16.0, 9.0):
        direction = rng.normal(size=3)
        direction *= 2 * np.pi / wavelength_mm / np.linalg.norm(direction)
        kx, ky, kz = (np.float32(v) for v in direction)
        wave = np.sin(p.x * kx + p.y * ky + p.z * kz + np.float32(rng.uniform(0, 2 * np.pi)))
        total += np.float32(amplitude_mm * (wavelength_mm / 45.0) ** 0.9) * wave
    return total


def _moved(distance: Field, cut: Cut, grid: Grid) -> Field:
    """A rigid move of what the block holds; the grid's axes are the patient's."""
    spacing = np.array(grid.spacing_mm)
    middle = np.array(ndimage.center_of_mass(distance < 0)) * spacing
    back = _rotation(cut.turn_deg).T
    matrix = np.diag(1 / spacing) @ back @ np.diag(spacing)
    offset = (middle - back @ (middle + np.array(cut.shift_mm))) / spacing
    return np.asarray(
        ndimage.affine_transform(distance, matrix, offset, order=1, mode="nearest", output=np.float32)
    )


def _rotation(turn_deg: Point) -> NDArray[np.float64]:
    """3x3, by the exponential of the rotation vector (O. Rodrigues, 1840)."""
    x, y, z = np.radians(turn_deg)
    angle = float(np.linalg.norm([x, y, z]))
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    if angle == 0:
        return np.eye(3)
    return np.asarray(
        np.eye(3) + np.sin(angle) / angle * cross + (1 - np.cos(angle)) / angle**2 * cross @ cross
    )


def _without_specks(distance: Field, grid: Grid) -> Field:
    """Only the largest connected part of a piece; the others are emptied."""
    parts, count = ndimage.label(distance < 0)
    if count < 2:
        return distance
    sizes = np.bincount(parts.ravel())
    specks = (parts > 0) & (parts != 1 + int(np.argmax(sizes[1:])))
    around = ndimage.binary_dilation(specks, iterations=1 + round(_SPECK_MM / min(grid.spacing_mm)))
    emptied = around & ~(parts == 1 + int(np.argmax(sizes[1:])))
    return np.where(emptied, np.maximum(distance, np.float32(_SPECK_MM)), distance)
