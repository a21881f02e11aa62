"""Neighbours that touch a bone from outside: the other face of a joint, and spurs of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from training.fracturing.bone import Box, BrokenModel, Labels, Mask
from training.fracturing.foreign import random_place
from training.fracturing.surfaces import Vector, direction
from training.sampling import Array, smooth_noise

NEIGHBOURS = 0.25
SPURS = 0.1
# Slivers of neighbours in outlines are up to 4.3 mm deep; a few are whole pieces of a joint's head
REACH_MM = 18.0
# A joint's other face lies on one side, and follows a rounded one a little round it
BEHIND_MM = 4.0


@dataclass(frozen=True, eq=False)
class Outside:
    """A block round a place on a bone: its voxels' distances in mm from the bone and from that place."""

    box: Box
    away_mm: Array
    aside_mm: Array
    fragment: int


def with_neighbours(rng: np.random.Generator, bone: BrokenModel, spacing_mm: float) -> BrokenModel:
    """In some bones a patch of another across a joint space, in some a spur.

    Outlines take slivers of a joint's other face along. No fracture parts them from the bone: half of
    the patches become interior, as if outlined with it, the others stay outside. So the network is to
    show no contact in a joint, and the sliver is not cut off; one that is cut off all the same falls to
    the chain's own test for slivers.
    """
    if not bone.fragments.any():
        return bone
    made = BrokenModel(bone.hu.copy(), bone.fragments.copy())
    for share, draw in ((NEIGHBOURS, add_neighbour), (SPURS, add_spur)):
        if rng.random() < share:
            draw(rng, made, outside(rng, made, spacing_mm), spacing_mm)
    return made


def outside(rng: np.random.Generator, bone: BrokenModel, spacing_mm: float) -> Outside:
    """Returns a block round a random place on the surface; behind it or at another fragment is far."""
    place, outward = surface_place(rng, bone.fragments)
    reach = int(REACH_MM / spacing_mm)
    box = tuple(
        slice(max(int(p) - reach, 0), min(int(p) + reach + 1, n))
        for p, n in zip(place, bone.fragments.shape, strict=True)
    )
    near = bone.fragments[box]
    distance, nearest = ndimage.distance_transform_edt(near == 0, sampling=spacing_mm, return_indices=True)
    fragment = int(bone.fragments[tuple(place)])
    steps = [(g - p) * spacing_mm for g, p in zip(np.ogrid[box], place, strict=True)]
    aside = np.sqrt(sum(step**2 for step in steps))
    behind = sum(step * way for step, way in zip(steps, outward, strict=True)) < -BEHIND_MM
    away = np.where((near[tuple(nearest)] == fragment) & ~behind, distance, 1e3).astype(np.float32)
    return Outside(box, away, aside.astype(np.float32), fragment)


def surface_place(rng: np.random.Generator, fragments: Labels) -> tuple[np.ndarray, Vector]:
    """From a random voxel of the bone in a random direction to the last before the surface; the direction."""
    start = random_place(rng, fragments > 0)
    way = direction(rng)
    path = np.rint(start + np.arange(60)[:, None] * way).astype(int)
    path = np.clip(path, 0, np.array(fragments.shape) - 1)
    empty = np.flatnonzero(fragments[tuple(path.T)] == 0)
    return (path[max(int(empty[0]) - 1, 0)] if len(empty) else start), way


def add_neighbour(rng: np.random.Generator, bone: BrokenModel, around: Outside, spacing_mm: float) -> None:
    """Another bone's face with its own cortex, 0.6 to 3.5 mm across a space of cartilage, seldom of gas."""
    shape = around.away_mm.shape
    space = np.clip(rng.uniform(0.6, 3.5) + 0.4 * smooth_noise(rng, shape, 4), 0.4, None)
    deep = around.away_mm - space
    edge = rng.uniform(7, REACH_MM) + 1.5 * smooth_noise(rng, shape, 5)
    within = (around.away_mm > 0) & (around.aside_mm < edge)
    other = within & (deep > 0) & (deep < rng.uniform(1.5, 9))
    joint = within & (deep <= 0)
    hu = bone.hu[around.box]
    marrow = rng.uniform(100, 350) + 50 * rng.standard_normal(shape, np.float32)
    face = np.where(deep < rng.uniform(0.8, 2.2), rng.uniform(450, 1200), marrow)
    filling = rng.uniform(-900, -300) if rng.random() < 0.08 else rng.uniform(10, 120)
    # A space narrower than a voxel shows the two cortices through
    filled = face.mean() + (filling - face.mean()) * np.clip(space / spacing_mm, 0.3, 1)
    hu[joint], hu[other] = filled[joint], face[other]
    if rng.random() < 0.5:
        take_neighbours_along(bone, around, joint | other)


def add_spur(rng: np.random.Generator, bone: BrokenModel, around: Outside, spacing_mm: float) -> None:
    """A dense outgrowth, 3 to 8 mm high, of the bone itself."""
    high = rng.uniform(3, 8) * np.exp(-((around.aside_mm / rng.uniform(4, 8)) ** 2))
    high += 0.3 * spacing_mm * smooth_noise(rng, high.shape, 6)
    spur = (around.away_mm > 0) & (around.away_mm < high)
    dense = rng.uniform(350, 1000) + 60 * rng.standard_normal(high.shape, np.float32)
    bone.hu[around.box][spur] = dense[spur]
    take_neighbours_along(bone, around, spur)


def take_neighbours_along(bone: BrokenModel, around: Outside, also: Mask) -> None:
    """Voxels that the bone's outline holds as well."""
    bone.fragments[around.box][also] = around.fragment
