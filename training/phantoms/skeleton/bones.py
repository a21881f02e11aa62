"""The bones as signed distances on a grid, each inside its own block of voxels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.phantoms.shapes import (
    Block,
    Field,
    Limits,
    Points,
    Solid,
    chain,
    ellipsoid,
    rod,
    smooth_union,
    sphere,
    union,
)
from training.phantoms.skeleton.hip import HEAD_CENTRE, HEAD_RADIUS_MM, hip_bone
from training.phantoms.skeleton.sacrum import sacrum
from training.phantoms.skeleton.spine import VERTEBRAE, vertebra
from training.phantoms.structures import Structure

_MARGIN_MM = 8.0


# The bone that yields, the one that stays, and the gap in mm.
_JOINTS = (
    (Structure.SACRUM, Structure.HIP_LEFT, 2.5),
    (Structure.SACRUM, Structure.HIP_RIGHT, 2.5),
    (Structure.VERTEBRA, Structure.SACRUM, 1.8),
    (Structure.VERTEBRA, Structure.HIP_LEFT, 4.0),
    (Structure.VERTEBRA, Structure.HIP_RIGHT, 4.0),
)


def bones(p: Points) -> dict[Structure, Solid]:
    """Returns every bone within the grid, none nearer to another than its joint allows."""
    drawn: dict[Structure, Solid] = {}
    for structure, draw in _DRAWN_BY.items():
        block = p.block_within(_LIMITS[structure], _MARGIN_MM)
        if block is not None:
            drawn[structure] = Solid(structure, block, draw(p.at(block)))
    for yields, stays, gap_mm in _JOINTS:
        if yields in drawn and stays in drawn:
            _keep_apart(drawn[yields], drawn[stays], gap_mm)
    return drawn


def femur(p: Points) -> Field:
    """Returns the distance to the left femur down to mid-shaft; mirror the points for the right one."""
    head = sphere(p, HEAD_CENTRE, HEAD_RADIUS_MM)
    x, y, z = HEAD_CENTRE
    neck = rod(p, (x + 6, y + 1, z - 4), (134, 10, -30), 15.5, 17)
    greater = union(
        [ellipsoid(p, (145, 17, -22), (15, 19, 22)), ellipsoid(p, (140, 27, -4), (9, 10, 12))], 6.0
    )
    lesser = ellipsoid(p, (120, 24, -64), (9, 9, 15))
    shaft = chain(p, [(137, 11, -38, 18), (131, 10, -75, 15.5), (126, 8, -140, 14), (120, 4, -230, 13.5)])
    return smooth_union(head, union([neck, greater, lesser, shaft], 9.0), 3.0)


_LIMITS: dict[Structure, Limits] = {
    Structure.HIP_LEFT: ((0, 156), (-62, 106), (-78, 166)),
    Structure.HIP_RIGHT: ((-156, 0), (-62, 106), (-78, 166)),
    Structure.SACRUM: ((-68, 68), (12, 126), (-30, 140)),
    Structure.FEMUR_LEFT: ((64, 168), (-28, 46), (-400, 28)),
    Structure.FEMUR_RIGHT: ((-168, -64), (-28, 46), (-400, 28)),
    Structure.VERTEBRA: ((-56, 56), (-20, 95), (110, 400)),
}


def _vertebrae(p: Points) -> Field:
    distance = np.full(p.x.shape, np.float32(60))
    for centre, tilt_deg in VERTEBRAE:
        distance = np.minimum(distance, vertebra(p, centre, tilt_deg))
    return distance


_DRAWN_BY: dict[Structure, Callable[[Points], Field]] = {
    Structure.HIP_LEFT: hip_bone,
    Structure.HIP_RIGHT: lambda p: hip_bone(p.mirrored()),
    Structure.SACRUM: sacrum,
    Structure.FEMUR_LEFT: femur,
    Structure.FEMUR_RIGHT: lambda p: femur(p.mirrored()),
    Structure.VERTEBRA: _vertebrae,
}


def _keep_apart(solid: Solid, other: Solid, gap_mm: float) -> None:
    """Trims `solid` in place where it comes nearer to the other than the gap."""
    shared = [
        (max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(solid.block, other.block, strict=True)
    ]
    if any(start >= stop for start, stop in shared):
        return
    here, there = _inside(solid.block, shared), _inside(other.block, shared)
    kept = np.maximum(solid.distance_mm[here], np.float32(gap_mm) - other.distance_mm[there])
    solid.distance_mm[here] = kept


def _inside(block: Block, shared: list[tuple[int, int]]) -> Block:
    i, j, k = (slice(lo - s.start, hi - s.start) for (lo, hi), s in zip(shared, block, strict=True))
    return i, j, k
