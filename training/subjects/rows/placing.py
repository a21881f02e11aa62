"""Where the voxels of a changed row lie in the unchanged one: coordinates along and across its course."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.row_tables import ChangesTable
from training.subjects.rows.bones import BonesInRow, Labels
from training.subjects.rows.course import Array, Course

Placed = NDArray[np.float32]
# The share of the distance between two bones that a body fills, and how far behind its centre it ends
FILLED, BACK_MM = 0.72, 16.0
# A slip is spread over this much of the row
SPREAD_MM = 4.0
SLAB = 16


def coordinates(bones: BonesInRow, bent: Course) -> Placed:
    """Returns the positions in mm (3, I, J, K) of the voxels of a block that holds the bent row."""
    spare = np.array([60.0, 60.0, 0.0])
    whole = np.array(bones.structures.shape) * bones.spacing_mm
    used = bent.points
    low = np.minimum(used.min(axis=0) - spare, 0 * whole)
    high = np.maximum(used.max(axis=0) + spare, whole)
    # A bone that is there twice makes the row longer
    low[2], high[2] = used[:, 2].min(), used[:, 2].max() - 30
    steps = (np.arange(a, b, bones.spacing_mm, dtype=np.float32) for a, b in zip(low, high, strict=True))
    return np.stack(np.meshgrid(*steps, indexing="ij"))


def by_slab(change: Callable[[Placed], Placed], at: Placed) -> Placed:
    """Returns coordinates (3, I, J, K) changed slab by slab: all at once takes twelve times the memory."""
    made = np.empty_like(at)
    for first in range(0, at.shape[3], SLAB):
        slab = np.ascontiguousarray(at[..., first : first + SLAB])
        made[..., first : first + SLAB] = change(slab)
    return made


def sampled(bones: BonesInRow, placed: Placed) -> Labels:
    """Returns the labels at coordinates (3, ...) along and across the course of the row."""
    at = by_slab(bones.course.lps, placed) / np.float32(bones.spacing_mm)
    return ndimage.map_coordinates(bones.structures, at, order=0, mode="constant", cval=0)


def bounds_of(bones: BonesInRow) -> Array:
    """Returns the borders (N + 1,) of the bones in mm along the row, halfway between their centres."""
    levels = bones.course.levels_mm
    between = (levels[1:] + levels[:-1]) / 2
    first = between[0] - levels[0] if len(between) else 15.0
    last = levels[-1] - between[-1] if len(between) else 15.0
    return np.concatenate([[levels[0] - first], between, [levels[-1] + last]])


def with_other_number(
    rng: np.random.Generator, bones: BonesInRow, placed: Placed, rules: ChangesTable
) -> tuple[BonesInRow, Placed]:
    """Returns the row and its coordinates, at the rates of the rules with a bone missing or there twice."""
    named = [bones.names[value] for value in bones.values]
    bounds, chance = bounds_of(bones), rng.random()
    if chance < rules.missing:
        number = pick(rng, named, rules.missing_levels)
        if number is not None:
            length = bounds[number + 1] - bounds[number]
            along = placed[2] + np.float32(length) * (placed[2] > bounds[number])
            return bones, np.stack([placed[0], placed[1], along])
    elif chance < rules.missing + rules.extra:
        number = pick(rng, named, tuple(rules.extra_levels))
        if number is not None:
            return doubled(bones, placed, number, rules.extra_levels[named[number]])
    return bones, placed


def pick(rng: np.random.Generator, named: list[str], levels: tuple[str, ...]) -> int | None:
    """Returns the number of a random bone of these levels, never of the first; None if there is none."""
    there = [number for number, name in enumerate(named) if name in levels and number > 0]
    return int(rng.choice(there)) if there else None


def doubled(bones: BonesInRow, placed: Placed, number: int, extra: str) -> tuple[BonesInRow, Placed]:
    """Returns the row with a bone there twice; the second, lower one is a level of its own."""
    bounds = bounds_of(bones)
    length = np.float32(bounds[number + 1] - bounds[number])
    second = placed[2] > bounds[number + 1]
    along = placed[2] - length * second
    value = max(max(bones.names), int(bones.structures.max())) + 1
    names = {**bones.names, value: extra}
    values = (*bones.values[: number + 1], value, *bones.values[number + 1 :])
    return replace(bones, names=names, values=values), np.stack([placed[0], placed[1], along])


def slipped(rng: np.random.Generator, bones: BonesInRow, placed: Placed, slip_mm: float) -> Placed:
    """Returns coordinates with all bones above a random one shifted forward."""
    bounds = bounds_of(bones)
    at = float(rng.choice(bounds[1:-1])) if len(bounds) > 2 else float(bounds[0])
    share = np.clip((at - placed[2]) / SPREAD_MM + 0.5, 0, 1)
    return np.stack([placed[0], placed[1] + np.float32(slip_mm) * share, placed[2]])


def compressed(
    rng: np.random.Generator, bones: BonesInRow, placed: Placed, number: int, loss: float
) -> Placed:
    """Returns coordinates with the body of one bone compressed: in front, in the middle, or as a whole.

    The spaces above and below it grow by as much, so that all other bones stay where they are.
    """
    bounds = bounds_of(bones)
    half = (bounds[number + 1] - bounds[number]) / 2
    middle = (bounds[number + 1] + bounds[number]) / 2
    fall = fall_off(str(rng.choice(["wedge", "biconcave", "crush"])), placed[1])
    kept = 1 - np.float32(loss) * fall * np.exp(-((placed[0] / 28) ** 4))
    away = (placed[2] - middle) / np.float32(half)
    size, body = np.abs(away), np.float32(FILLED)
    inner = size / kept
    outer = body + (size - body * kept) * (1 - body) / np.maximum(1 - body * kept, 1e-3)
    moved = np.where(size <= body * kept, inner, outer)
    changed = np.where(size < 1, middle + half * np.sign(away) * moved, placed[2]).astype(np.float32)
    return np.stack([placed[0], placed[1], changed])


def fall_off(form: str, back_mm: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the share of the loss of height at positions in mm behind the centre of the body."""
    behind = np.clip((BACK_MM + 2 - back_mm) / 4, 0, 1)
    forms = {
        "wedge": np.clip((BACK_MM - back_mm) / (2 * BACK_MM), 0, 1),
        "biconcave": np.exp(-((back_mm / 9) ** 2)),
        "crush": np.ones_like(back_mm),
    }
    return np.asarray(forms[form] * behind, np.float32)
