"""Simulates screws, plates, nails, prostheses and fillings in and on bone, and their streaks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.fracturing.surfaces import direction, unit
from training.sampling import Array, enlarged
from training.simulate.scanner.artefacts import rotate
from training.simulate.scanner.slices import Spacing

BONE_HU = 250.0
# Steel and titanium exceed the range of twelve bits
METAL_HU = (2200.0, 6000.0)
RAYS = 5
# Streaks are as narrow as the metal and as long as the pelvis is wide
STREAK_MM = 3.0
FADING_MM = 100.0
Points = tuple[NDArray[np.float32], ...]
Point = NDArray[np.float64]
# Distance in mm to an implant at a point of a bone that runs along an axis there
Implant = Callable[[np.random.Generator, Points, Point, Point], Array]
# A bone's direction is that of the dense voxels within this distance
NEAR_MM = 60.0


def metal(rng: np.random.Generator, hu: Array, spacing_mm: Spacing, strength: float) -> Array:
    """Adds up to five implants at random places on bone, with streaks of `strength` HU."""
    return with_implants(rng, hu, spacing_mm, strength)[0]


def with_implants(
    rng: np.random.Generator, hu: Array, spacing_mm: Spacing, strength: float
) -> tuple[Array, Array]:
    """Returns `hu` with up to five implants on bone and their streaks, and each voxel's share of metal."""
    spots_mm = np.argwhere(hu[::4, ::4, ::4] > BONE_HU) * 4 * np.array(spacing_mm)
    if len(spots_mm) == 0:
        return hu, np.zeros(hu.shape, np.float32)
    grids = np.ogrid[tuple(slice(0, n) for n in hu.shape)]
    points = tuple((g * step).astype(np.float32) for g, step in zip(grids, spacing_mm, strict=True))
    width_mm = np.float32(max(spacing_mm))
    share = np.zeros(hu.shape, np.float32)
    implant = IMPLANTS[rng.choice(len(IMPLANTS), p=[chance for chance, _ in IMPLANTS])][1]
    for _ in range(int(rng.integers(1, 6)) if implant is screw else 1):
        middle_mm = spots_mm[rng.integers(len(spots_mm))]
        distance = implant(rng, points, middle_mm, bone_axis(spots_mm, middle_mm))
        np.maximum(share, np.clip(0.5 - distance / width_mm, 0, 1), out=share)
    with_metal = hu + share * (np.float32(rng.uniform(*METAL_HU)) - hu)
    return with_metal + streaks(rng, share, spacing_mm, strength), share


def bone_axis(spots_mm: Point, middle_mm: Point) -> Point:
    """Returns the direction in which the bone around a point extends farthest."""
    near = spots_mm[((spots_mm - middle_mm) ** 2).sum(axis=1) < NEAR_MM**2]
    return np.linalg.svd(near - near.mean(axis=0), full_matrices=False)[2][0]


def streaks(rng: np.random.Generator, share: Array, spacing_mm: Spacing, strength: float) -> Array:
    """Returns dark and bright bands along rays through metal, mostly dark, strongest near it."""
    step = max(1, round(STREAK_MM / max(spacing_mm)))
    coarse = np.ascontiguousarray(ndimage.maximum_filter(share, step)[::step, ::step, ::step])
    x_mm = (np.arange(coarse.shape[0], dtype=np.float32) * step * spacing_mm[0])[:, None, None]
    total = np.zeros_like(coarse)
    for angle in rng.uniform(0, 180, RAYS):
        turned = rotate(coarse, float(angle))
        path = turned.sum(axis=0, keepdims=True)
        middle_mm = (turned * x_mm).sum(axis=0, keepdims=True) / np.maximum(path, np.float32(1e-3))
        fading = np.exp(-np.abs(x_mm - middle_mm) / np.float32(FADING_MM))
        band = np.float32(rng.choice([-1.0, -1.0, 0.6])) * (1 - np.exp(-path)) * fading
        total += rotate(band, -float(angle))
    return np.float32(strength) * enlarged(np.clip(total, -1, 1), share.shape, step)


def screw(rng: np.random.Generator, points: Points, middle_mm: Point, bone: Point) -> Array:
    """Returns the distance in mm to a screw of 3.5 to 7.3 mm diameter, 30 to 100 mm long."""
    del bone
    return rod(points, middle_mm, direction(rng), rng.uniform(15, 50), rng.uniform(1.75, 3.65))


def plate(rng: np.random.Generator, points: Points, middle_mm: Point, bone: Point) -> Array:
    """Returns the distance in mm to a bent reconstruction plate, 3.5 mm thick and 10 mm wide."""
    along, across = tilted(rng, bone, 0.3), direction(rng)
    across = unit(np.cross(along, across))
    normal = np.cross(along, across)
    u, v, w = (project(points, middle_mm, axis) for axis in (along, across, normal))
    w = w + np.float32(rng.uniform(-0.006, 0.006)) * u**2
    sides = ((u, rng.uniform(20, 60)), (v, 5.0), (w, 1.75))
    return np.maximum.reduce([np.abs(axis) - np.float32(half) for axis, half in sides])


def nail(rng: np.random.Generator, points: Points, middle_mm: Point, bone: Point) -> Array:
    """Returns the distance in mm to a nail along the bone, 8 to 13 mm thick, 160 to 400 mm long."""
    return rod(points, middle_mm, tilted(rng, bone, 0.05), rng.uniform(80, 200), rng.uniform(4, 6.5))


def fillings(rng: np.random.Generator, points: Points, middle_mm: Point, bone: Point) -> Array:
    """Returns the distance in mm to dental fillings and crowns of 4 to 10 mm, in a row of 60 mm."""
    along = tilted(rng, bone, 1.0)
    places = [middle_mm + along * rng.uniform(-30, 30) for _ in range(int(rng.integers(1, 6)))]
    return np.minimum.reduce([rod(points, place, along, 0.0, rng.uniform(2, 5)) for place in places])


def prosthesis(rng: np.random.Generator, points: Points, middle_mm: Point, bone: Point) -> Array:
    """Returns the distance in mm to a prosthesis: a head of 28 to 52 mm on a stem of 100 to 160 mm.

    Hips have heads of 28 to 36 mm, shoulders of 40 to 52 mm.
    """
    radius_mm = rng.uniform(14, 18) if rng.random() < 0.7 else rng.uniform(20, 26)
    squares = [(axis - np.float32(m)) ** 2 for axis, m in zip(points, middle_mm, strict=True)]
    ball = np.sqrt(squares[0] + squares[1] + squares[2]) - np.float32(radius_mm)
    axis = tilted(rng, bone, 0.3)
    half_mm = rng.uniform(50, 80)
    return np.minimum(ball, rod(points, middle_mm + axis * half_mm, axis, half_mm, rng.uniform(5, 9)))


def rod(points: Points, middle_mm: Point, axis: Point, half_mm: float, radius_mm: float) -> Array:
    """Returns the distance in mm to a rod with round ends."""
    t = np.clip(project(points, middle_mm, axis), -np.float32(half_mm), np.float32(half_mm))
    away = [p - np.float32(m) - t * np.float32(a) for p, m, a in zip(points, middle_mm, axis, strict=True)]
    return np.sqrt(away[0] ** 2 + away[1] ** 2 + away[2] ** 2) - np.float32(radius_mm)


def project(points: Points, middle_mm: Point, axis: Point) -> Array:
    """Returns the coordinate in mm of every voxel along an axis through `middle_mm`."""
    parts = [(p - np.float32(m)) * np.float32(a) for p, m, a in zip(points, middle_mm, axis, strict=True)]
    return parts[0] + parts[1] + parts[2]


def tilted(rng: np.random.Generator, axis: Point, most: float) -> Point:
    """Returns an axis tilted at random, by up to the angle of a slope of about `most`."""
    return unit(axis + most * rng.random() * direction(rng))


IMPLANTS: tuple[tuple[float, Implant], ...] = (
    (0.3, screw),
    (0.2, plate),
    (0.2, prosthesis),
    (0.2, nail),
    (0.1, fillings),
)
