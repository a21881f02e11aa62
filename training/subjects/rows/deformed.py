"""Bodies with a bent row of bones, some of them compressed, burst, slipped, fused, missing or extra."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from training.row_tables import ChangesTable, DeformedRowTable
from training.subjects.rows.bones import BonesInRow, read_row
from training.subjects.rows.changes import burst, fuse, grow_spurs
from training.subjects.rows.course import Array, course_of, turned
from training.subjects.rows.placing import (
    by_slab,
    compressed,
    coordinates,
    sampled,
    slipped,
    with_other_number,
)
from training.subjects.subjects import Subject, from_structures


def deformed_row_subject(
    data: Path, row: DeformedRowTable, classes: dict[str, list[str]], number: int
) -> Subject:
    """Returns body number 0, 1, ... of a table of the recipe; number 0 is the label map, unchanged."""
    rng = np.random.default_rng([number, 4000])
    bones = read_row(data, row, classes)
    if number:
        bones = deformed(rng, bones, row.changes)
    names = {0: "fat", **bones.names}
    name = f"{row.path.split('/')[-1].split('.')[0]} bent {number}"
    return from_structures(name, bones.structures, names, classes, bones.spacing_mm, row.margin_mm)


def deformed(rng: np.random.Generator, bones: BonesInRow, rules: ChangesTable) -> BonesInRow:
    """Returns the row, bent and changed at random by the rules."""
    bent = turned(bones.course, turns_of(rng, len(bones.course.points), rules))
    placed = by_slab(bent.place, coordinates(bones, bent))
    bones, placed = with_other_number(rng, bones, placed, rules)
    if rng.random() < rules.slipped:
        placed = slipped(rng, bones, placed, rng.uniform(*rules.slip_mm))
    broken = rng.random() < rules.compressed
    chosen = rng.choice(len(bones.values), min(int(rng.integers(1, 4)), len(bones.values)), replace=False)
    for number in chosen.tolist() if broken else ():
        placed = compressed(rng, bones, placed, number, rng.uniform(*rules.loss))
    made = with_copies_numbered(replace(bones, structures=sampled(bones, placed)))
    if broken and rng.random() < rules.burst / max(rules.compressed, 1e-6):
        burst(rng, made, int(chosen[0]))
    if rng.random() < rules.fused:
        fuse(made, int(rng.integers(max(len(made.values) - 1, 1))))
    if rng.random() < rules.spurs:
        grow_spurs(rng, made)
    return made


def turns_of(rng: np.random.Generator, count: int, rules: ChangesTable) -> Array:
    """Returns rotation matrices (N, 3, 3) that vary smoothly along the row.

    They bend it sideways in one or two curves and forward, and twist it.
    """
    share = np.linspace(0, 1, count)
    waves = rng.uniform(0.5, 1.6)
    bend = np.sin(2 * np.pi * waves * (share - rng.uniform()))
    side = rng.uniform(-1, 1) ** 3 * rules.sideways_deg * bend
    size_deg = rng.uniform(-1, 1) * rules.forward_deg
    forward = size_deg * np.sin(np.pi * (share - rng.uniform()) * rng.uniform(0.5, 1.5))
    about = -0.6 * side + rng.uniform(-4, 4)
    angles = np.stack([forward - forward[0], side - side[0], about], axis=1)
    return Rotation.from_euler("xyz", angles, degrees=True).as_matrix()


def with_copies_numbered(bones: BonesInRow) -> BonesInRow:
    """Returns the row with the lower of two copies of a bone under its own value, and its new course."""
    structures = bones.structures
    for one, other in zip(bones.values[:-1], bones.values[1:], strict=True):
        if not (structures == other).any() and (structures == one).any():
            pieces, count = ndimage.label(structures == one)
            sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
            if count >= 2 and sorted(sizes)[-2] > 0.4 * max(sizes):
                large = 1 + np.argsort(-sizes)[:2]
                tops = [np.argwhere(pieces == n)[:, 2].mean() for n in large]
                lower = pieces == large[int(np.argmin(tops))]
                structures = np.where(lower, np.uint8(other), structures)
    there = tuple(value for value in bones.values if (structures == value).any())
    course = course_of(structures, there, bones.spacing_mm)
    return replace(bones, structures=structures, values=there, course=course)
