"""Named sets of fractures of the phantom, one for each simulated CT of the accuracy panel."""

from __future__ import annotations

from dataclasses import replace

from training.phantoms.fractures import LEFT_ALA, LEFT_PUBIS, LEFT_WING, Cut, FracturePlane, Fractures
from training.phantoms.structures import Structure


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


RIGHT_WING, RIGHT_PUBIS, RIGHT_ALA = (mirrored_cut(cut) for cut in (LEFT_WING, LEFT_PUBIS, LEFT_ALA))
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
