"""Puts the parts of a body together from the surfaces and ellipsoids that a recipe names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from training.recipe import without_side
from training.recipe_file import PosedBonesTable, SolidTable, SurfaceTable
from training.subjects.meshes import Part, Points, ellipsoid, load_parts, points_of
from training.subjects.posing import SIDES, Elsewhere

AXES = {"x": 0, "y": 1, "z": 2}
# Share of a bone's length that counts as its end
END = 0.03


def assembled(
    rng: np.random.Generator, table: PosedBonesTable, data: Path, elsewhere: Elsewhere
) -> list[Part]:
    """Returns the parts of a body in the pose of the files: a random mean of shapes, of random size."""
    one_side = loaded(rng, table, data)
    parts = [*one_side, *other_sides(one_side, table.mirrored)]
    scale = 1 + rng.uniform(-table.size, table.size) + rng.uniform(-table.size / 3, table.size / 3, 3)
    scaled = [replace(part, points=part.points * scale) for part in parts]
    return with_solids(scaled, table.solids, elsewhere)


def loaded(rng: np.random.Generator, table: PosedBonesTable, data: Path) -> list[Part]:
    """Returns the parts of all files; all shapes are the mean of the same subjects with the same weights."""
    subjects = table.subjects or ("",)
    chosen = [str(name) for name in rng.choice(subjects, min(table.mixed, len(subjects)), replace=False)]
    weights = rng.dirichlet(np.ones(len(chosen))).tolist()
    return [
        in_body_axes(part, row)
        for row in table.surfaces
        for part in load_parts([data / row.path.format(subject=s) for s in chosen], weights, row.bones)
    ]


def in_body_axes(part: Part, row: SurfaceTable) -> Part:
    """Returns a part of a file with its points in mm, LPS."""
    columns = [AXES[axis.removeprefix("-")] for axis in row.axes]
    signs = np.array([-1.0 if axis.startswith("-") else 1.0 for axis in row.axes])
    return replace(part, points=part.points[:, columns] * signs * row.unit_mm + np.array(row.origin_mm))


def other_sides(parts: list[Part], mirrored: tuple[str, ...]) -> Iterator[Part]:
    """Yields the missing side of bones, mirrored about the middle of the other parts, or of the files."""
    middles = [p.points[:, 0].mean() for p in parts if without_side(p.structure) not in mirrored]
    for part in parts:
        name = without_side(part.structure)
        if name in mirrored:
            opposite = next(side for side in SIDES if side and name + side != part.structure)
            yield part.mirrored(float(np.mean(middles)) if middles else 0.0, name + opposite)


def with_solids(parts: list[Part], solids: tuple[SolidTable, ...], elsewhere: Elsewhere) -> list[Part]:
    """Returns the parts with an ellipsoid for each row, on both sides where its bone has two."""
    made = list(parts)
    for row in solids:
        for suffix, sign in SIDES.items():
            points = points_of(parts, row.at + suffix)
            if not len(points):
                points = elsewhere(row.at + suffix)
            if len(points):
                place = end_of(points, row.end) + np.array(row.centre_mm) * [sign, 1, 1]
                made.append(ellipsoid(row.structure + suffix, place, np.array(row.radii_mm)))
    return made


def end_of(points: Points, end: str) -> Points:
    """Returns the middle of the lowest or highest points of a bone."""
    height = points[:, 2] if end == "high" else -points[:, 2]
    return points[height >= height.max() - END * np.ptp(height)].mean(axis=0)
