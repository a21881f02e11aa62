"""The fractures of the phantoms: the planes that cut a bone, how the pieces move, and named sets of cuts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from training.phantoms.shapes import Point
from training.phantoms.structures import Structure


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


def mirrored_cut(cut: Cut) -> Cut:
    """Returns the same cut on the other side of the body; x runs to the left."""
    planes = tuple(
        FracturePlane((-x, y, z), (-u, v, w))
        for (x, y, z), (u, v, w) in ((plane.point_mm, plane.normal) for plane in cut.planes)
    )
    (x, y, z), (a, b, c) = cut.shift_mm, cut.turn_deg
    return replace(cut, planes=planes, shift_mm=(-x, y, z), turn_deg=(a, -b, -c))


def hairline(cut: Cut) -> Cut:
    """Returns the cut with hardly any displacement of its pieces."""
    (x, y, z), (a, b, c) = cut.shift_mm, cut.turn_deg
    return replace(cut, shift_mm=(x / 4, y / 4, z / 4), turn_deg=(a / 4, b / 4, c / 4))


LEFT_WING = Cut((FracturePlane((118, 2, 104), (-0.20, 0.84, -0.52)),), (2.6, -3.2, 1.4), (3.0, -2.0, 3.0))
LEFT_PUBIS = Cut(
    (FracturePlane((47, 0, -20), (1.0, 0.12, 0.10)), FracturePlane((0, 26, 0), (0.0, 1.0, 0.0))),
    (-0.3, -3.0, -2.4),
    (-2.0, 0.0, 1.0),
)
LEFT_ALA = Cut((FracturePlane((27, 60, 80), (-1.0, 0.05, -0.10)),), (0.9, -1.2, 2.2), (1.0, 0.0, 0.0))
RIGHT_WING, RIGHT_PUBIS, RIGHT_ALA = (mirrored_cut(cut) for cut in (LEFT_WING, LEFT_PUBIS, LEFT_ALA))
# One set for each simulated CT of the accuracy panel
FRACTURES: dict[str, Fractures] = {
    "intact": {},
    "left wing": {Structure.HIP_LEFT: (LEFT_WING,)},
    "left pubis, left ala": {Structure.HIP_LEFT: (LEFT_PUBIS,), Structure.SACRUM: (LEFT_ALA,)},
    "left wing and pubis, left ala": {
        Structure.HIP_LEFT: (LEFT_WING, LEFT_PUBIS),
        Structure.SACRUM: (LEFT_ALA,),
    },
    "right wing and pubis": {Structure.HIP_RIGHT: (RIGHT_WING, RIGHT_PUBIS)},
    "both pubes, right ala": {
        Structure.HIP_LEFT: (LEFT_PUBIS,),
        Structure.HIP_RIGHT: (RIGHT_PUBIS,),
        Structure.SACRUM: (RIGHT_ALA,),
    },
    "left wing, hairline": {Structure.HIP_LEFT: (hairline(LEFT_WING),)},
    "right ala, hairline": {Structure.SACRUM: (hairline(RIGHT_ALA),)},
}
DEFAULT = FRACTURES["left wing and pubis, left ala"]


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
