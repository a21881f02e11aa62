"""How often the side of a single bone is decided right, from all of it or a part of it, in any pose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from benchmarks.long_bones.shapes import Shape, between
from operators.bones.handedness import Points, handedness, long_axis
from operators.bones.reference_shapes import MIRROR, ReferenceShape, both_sides, read_shape
from operators.geometry.spheres import find_sphere
from operators.geometry.surface_points import SurfacePoints, surface_points
from operators.packages.long_bones import LongBoneRules
from operators.packages.structures import Side
from research.mean_shape import mean_shape, read_surfaces

# Shares of the length that are in view, from the far end
PARTS = {
    "whole": (0.0, 1.0),
    "head's half": (0.5, 1.0),
    "head's quarter": (0.75, 1.0),
    "far half": (0.0, 0.5),
    "far quarter": (0.0, 0.25),
    "middle": (0.3, 0.7),
}
NOISE_MM = 0.4
# A network's outline is off by bulges and dents of this size (standard deviation), about a centimetre wide
ROUGH_MM, BULGE_MM, WAVES = (0.0, 1.0, 2.0), 10.0, 60


@dataclass(frozen=True)
class Decision:
    """A decision on one part of a bone, itself or its mirror image: right, wrong or unknown."""

    name: str
    part: str
    rough_mm: float
    outcome: str
    left: float
    misfit_mm: float


def decide_sides(shapes: list[Shape], rules: LongBoneRules) -> Iterator[Decision]:
    """Yields the decisions on parts of shapes by mean shapes without them; every second one is mirrored."""
    for number, shape in enumerate(shapes):
        means = means_without(shape, shapes, rules)
        mirrored = number % 2 == 1
        for part, surface in parts_of(shape, rules):
            for rough_mm in ROUGH_MM:
                seen = posed(surface, number, mirrored, rough_mm)
                yield decide(shape, part, rough_mm, seen, mirrored, means, rules)


def means_without(shape: Shape, shapes: list[Shape], rules: LongBoneRules) -> Mapping[Side, ReferenceShape]:
    """Returns the mean bones that ship, made anew without a shape that is one of those they were made of."""
    assert rules.shape is not None
    if shape.path not in (own := [each.path for each in shapes if each.in_mean]):
        return read_shape(rules.shape)
    corners, faces = read_surfaces([path for path in own if path != shape.path])
    return both_sides(mean_shape(corners, faces, shape.side, rules.head_radius_mm))


def parts_of(shape: Shape, rules: LongBoneRules) -> Iterator[tuple[str, SurfacePoints]]:
    """Yields parts of a bone, the end with its head up; of a partial one all that there is."""
    surface = surface_points(shape.mesh)
    if not shape.whole:
        yield "as it is", surface
        return
    middle, axes, _ = long_axis(surface.points)
    head = find_sphere(surface, rules.head_radius_mm)
    up = axes[0] if head is None or (head.centre - middle) @ axes[0] > 0 else -axes[0]
    for part, (low, high) in PARTS.items():
        yield part, between(surface, surface.points @ up, low, high)


def posed(surface: SurfacePoints, seed: int, mirrored: bool, rough_mm: float) -> SurfacePoints:
    """Returns a surface in a random pose of the body, as a network outlines it, and mirrored if asked for."""
    random = np.random.default_rng(seed)
    flip = MIRROR if mirrored else 1.0
    turn = Rotation.random(random_state=seed).as_matrix()
    off_mm = random.normal(0, NOISE_MM, len(surface.points)) + rough_mm * bulges(surface.points, random)
    points = surface.points + off_mm[:, None] * surface.normals
    return SurfacePoints(points * flip @ turn.T, surface.normals * flip @ turn.T, surface.area_mm2)


def bulges(points: Points, random: np.random.Generator) -> Points:
    """Returns a smooth random field of variance 1 at points (N, 3): the sum of many plane waves."""
    waves = random.normal(0, 1 / BULGE_MM, (WAVES, 3))
    field: Points = np.cos(points @ waves.T + random.uniform(0, 2 * np.pi, WAVES)).sum(axis=1)
    return field * np.sqrt(2 / WAVES)


def decide(
    shape: Shape,
    part: str,
    rough_mm: float,
    surface: SurfacePoints,
    mirrored: bool,
    means: Mapping[Side, ReferenceShape],
    rules: LongBoneRules,
) -> Decision:
    """Returns the decision on one part of a bone."""
    head = find_sphere(surface, rules.head_radius_mm)
    seen = head if head is not None and head.cover >= rules.head_cover else None
    found = handedness(surface, seen, means)
    truth = shape.side if not mirrored else "right" if shape.side == "left" else "left"
    side = found.side()
    outcome = "unknown" if side is None else "right" if side == truth else "wrong"
    return Decision(shape.name, part, rough_mm, outcome, found.left, found.fit.misfit_mm)
