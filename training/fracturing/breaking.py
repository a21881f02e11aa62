"""Breaks one bone along surfaces of its own form, simply or into many pieces."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.fracturing.bone import CONTACT_MM, BrokenModel, Labels, Mask, box_of, present, separate
from training.fracturing.displacement import displace
from training.fracturing.lines import (
    Line,
    draw_line,
    gap_at,
    gaping,
    with_gap,
    with_haematoma,
    with_impaction,
)
from training.fracturing.patterns import draw_plane
from training.fracturing.rules import FractureRules
from training.fracturing.shape import shape_of
from training.fracturing.surfaces import Plane, away_mm, draw_roughness, height_mm
from training.sampling import Array, smooth_noise

# As far as blood is drawn round a fracture
MARGIN_MM = 7.0
# Bone plates break across, not along: a part most of which lies at the surface is drawn anew
FLAKE = 0.7
ATTEMPTS = 3


@dataclass(frozen=True, eq=False)
class Break:
    """A fragment in parts 1, 2, ... (0 outside it), and every voxel's distance in mm to where they part."""

    parts: Labels
    away_mm: Array


def fracture(
    rng: np.random.Generator, bone: BrokenModel, spacing_mm: float, rules: FractureRules
) -> BrokenModel:
    """`bone` as it is, or broken into up to `rules.most_fragments` pieces and those moved."""
    if rng.random() < rules.intact or not bone.fragments.any():
        return bone
    impacted = bool(rng.random() < rules.impacted)
    return displace(rng, break_bone(rng, bone, spacing_mm, rules, impacted), spacing_mm, rules, impacted)


def break_bone(
    rng: np.random.Generator, bone: BrokenModel, spacing_mm: float, rules: FractureRules, impacted: bool
) -> BrokenModel:
    """`bone` cut, its pieces in place. Chips lie along the first cut, where the blow fell."""
    chips = int(rng.integers(2, rules.most_fragments)) if rng.random() < rules.comminuted else 0
    for number in range(int(rng.choice(rules.most_cuts, p=weights(rules.most_cuts))) + 1):
        line = replace(draw_line(rng, rules), impacted=impacted and number == 0)
        bone = cut_bone(rng, bone, spacing_mm, rules, line, 0 if number else chips)
    smallest = rules.smallest_mm3 / spacing_mm**3
    return BrokenModel(bone.hu, separate(bone.fragments, smallest, rules.most_fragments))


def weights(n: int) -> NDArray[np.float64]:
    """Fewer cuts are commoner than many."""
    raw: NDArray[np.float64] = 1 / np.arange(1.0, n + 1)
    return raw / raw.sum()


def cut_bone(
    rng: np.random.Generator,
    bone: BrokenModel,
    spacing_mm: float,
    rules: FractureRules,
    line: Line,
    chips: int = 0,
) -> BrokenModel:
    """Returns a fragment broken along one surface, with `chips` beside it; none if no part is whole."""
    values, sizes = present(bone.fragments)
    value = rng.choice(values, p=sizes / sizes.sum())
    box = box_of(bone.fragments == value, round(MARGIN_MM / spacing_mm))
    whole = bone.fragments[box] == value
    shape = shape_of(whole, spacing_mm)
    for _ in range(ATTEMPTS):
        plane = draw_plane(rng, shape)
        height = height_mm(rng, plane, whole.shape, spacing_mm, draw_roughness(rng))
        found = parted(whole, height, plane, spacing_mm)
        if sound(found, rules.smallest_mm3 / spacing_mm**3):
            found = with_chips(rng, found, chips, spacing_mm, rules.smallest_mm3)
            return open_gaps(rng, bone, box, found, line, spacing_mm)
    return bone


def sound(found: Break, smallest: float) -> bool:
    """Returns whether both parts are large enough, and neither is a mere flake all along the surface."""
    parts = [found.away_mm[found.parts == value] for value in (1, 2)]
    return all(len(part) >= smallest and (part < CONTACT_MM).mean() < FLAKE for part in parts)


def parted(whole: Mask, height: Array, plane: Plane, spacing_mm: float) -> Break:
    """Returns the two sides of a surface; a local one goes through the bone at its own place alone.

    Where that does not part the bone (a ring needs two breaks) it goes all the way through after all.
    """
    above = np.where(height > 0, 2, 1)
    sides = Break(np.where(whole, above, 0).astype(np.uint8), away_mm(height, spacing_mm))
    slab = whole & (sides.away_mm < 0.9 * spacing_mm)
    if not plane.local or not slab.any():
        return sides
    at = np.argwhere(slab)
    places, _ = ndimage.label(slab)
    own = places == places[tuple(at[((at * spacing_mm - plane.through_mm) ** 2).sum(axis=1).argmin()])]
    rest, _ = ndimage.label(whole & ~own)
    zone = ndimage.binary_dilation(own, iterations=3)
    beside = present(rest[zone])[0]
    if len(beside) < 2:
        return sides
    second = beside[np.argsort(-np.bincount(rest.ravel())[beside])[1]]
    upper = np.median(height[zone & (rest == second)]) > 0
    parts = np.where(whole, np.where(rest == second, 2, 1), 0).astype(np.uint8)
    parts[own] = np.where((height[own] > 0) == upper, 2, 1)
    return Break(parts, np.where(zone, sides.away_mm, np.float32(1e3)))


def with_chips(
    rng: np.random.Generator, found: Break, chips: int, spacing_mm: float, smallest_mm3: float
) -> Break:
    """Returns a lens of bone on the surface, shattered: cells around random points, rough walls."""
    on_surface = np.argwhere((found.parts > 0) & (found.away_mm < spacing_mm))
    if chips == 0 or len(on_surface) == 0:
        return found
    centre = on_surface[rng.integers(len(on_surface))]
    grids = np.ogrid[tuple(slice(0, n) for n in found.parts.shape)]
    away2 = sum(((g - c) * spacing_mm) ** 2 for g, c in zip(grids, centre, strict=True))
    lens = rng.uniform(7, 16) * np.sqrt(np.clip(1 - away2 / rng.uniform(15, 35) ** 2, 0, 1))
    edge = lens.astype(np.float32) - found.away_mm
    at = np.argwhere((found.parts > 0) & (edge > 0))
    chips = min(chips, int(len(at) * spacing_mm**3 / (2 * smallest_mm3)))
    if chips < 2:
        return found
    cell, wall = cells(rng, at, found.parts.shape, chips, spacing_mm)
    parts, away = found.parts.copy(), np.where(lens > 0, np.abs(edge), found.away_mm)
    index = tuple(at.T)
    parts[index] = 3 + cell
    away[index] = np.minimum(away[index], wall)
    return Break(parts, away)


def cells(
    rng: np.random.Generator, at: NDArray[np.intp], shape: tuple[int, ...], count: int, spacing_mm: float
) -> tuple[NDArray[np.intp], Array]:
    """For voxels (N, 3) the nearest of `count` random ones, and how far in mm the next cell is."""
    index = tuple(at.T)
    rough = [1.5 * smooth_noise(rng, shape, 10)[index] for _ in shape]
    points = at * spacing_mm + np.stack(rough, axis=1)
    seeds = points[rng.choice(len(at), count, replace=False)]
    away = np.linalg.norm(points[:, None] - seeds[None], axis=2).astype(np.float32)
    two = np.partition(away, 1, axis=1)
    return away.argmin(axis=1), np.asarray((two[:, 1] - two[:, 0]) / 2, np.float32)


def open_gaps(
    rng: np.random.Generator,
    bone: BrokenModel,
    box: tuple[slice, ...],
    found: Break,
    line: Line,
    spacing_mm: float,
) -> BrokenModel:
    """Returns the parts as fragments of their own, with what shows between them."""
    whole = found.parts > 0
    gap = gap_at(rng, line, whole.shape)
    hu, fragments = bone.hu.copy(), bone.fragments.copy()
    numbers = int(fragments.max()) - 1 + found.parts.astype(np.int32)
    split = whole & (found.parts > 1)
    fragments[box][split] = numbers[split]
    fragments[box][whole & gaping(found.away_mm, gap, spacing_mm)] = 0
    if line.impacted:
        hu[box] = with_impaction(rng, hu[box], whole, found.away_mm)
    else:
        hu[box] = with_gap(rng, hu[box], whole, found.away_mm, gap, spacing_mm)
    hu[box] = with_haematoma(rng, hu[box], bone.fragments[box] > 0, found.away_mm)
    return BrokenModel(hu, fragments)
