"""Lumbar vertebrae and the discs between them."""

from __future__ import annotations

import numpy as np

from training.phantoms.shapes import Field, Point, Points, block, rod, smooth_cut, smooth_union, union

VERTEBRAE: tuple[tuple[Point, float], ...] = (
    ((0.0, 21.0, 141.0), 22.0),
    ((0.0, 9.5, 176.5), 10.0),
    ((0.0, 7.0, 214.0), -2.0),
)
DISCS: tuple[tuple[Point, float, float], ...] = (
    ((0.0, 29.0, 126.0), 30.0, 7.5),
    ((0.0, 13.0, 159.5), 14.0, 6.5),
    ((0.0, 7.0, 195.5), 2.0, 6.5),
)


def vertebra(p: Points, centre: Point, tilt_deg: float) -> Field:
    """Returns the distance to one lumbar vertebra with its canal; the tilt is about the x axis."""
    q = _upright(p, centre, tilt_deg)
    x = np.abs(q.x)
    half = Points(x, q.y, q.z)
    waist = 2.2 * (1 - np.minimum(np.abs(q.z) / 13, 1) ** 2)
    around = np.sqrt((x / 1.42) ** 2 + np.where(q.y > 0, q.y * 1.12, q.y) ** 2)
    body = smooth_cut(np.asarray(around - 19 + waist, dtype=np.float32), np.abs(q.z) - np.float32(14.5), 3.0)
    canal = np.sqrt((x / 1.3) ** 2 + (q.y - 25) ** 2) - np.float32(9.0)
    return union([body, smooth_cut(_arch(half), -canal, 2.0)], 3.0)


def disc(p: Points, centre: Point, tilt_deg: float, half_height_mm: float) -> Field:
    """Returns the distance to an intervertebral disc."""
    q = _upright(p, centre, tilt_deg)
    around = np.sqrt((q.x / 1.42) ** 2 + q.y**2) - np.float32(17.0)
    return smooth_cut(around, np.abs(q.z) - np.float32(half_height_mm), 3.0)


def _arch(p: Points) -> Field:
    """Returns one half of the arch; x is the distance from the median plane."""
    pedicle = rod(p, (14, 12, 4), (17, 27, 3), 6, 6.5)
    transverse = rod(p, (16, 24, 3), (47, 29, 7), 6.5, 4.2)
    facet = rod(p, (17, 33, 15), (15, 37, -17), 5.5, 6.5)
    lamina = rod(p, (17, 32, -2), (0, 42, -6), 6.5, 5.0)
    spinous = block(p, (0, 56, -8), (3.5, 19, 9), 3.0, tilt_deg=-8)
    return union([pedicle, transverse, facet, smooth_union(lamina, spinous, 4.0)], 4.0)


def _upright(p: Points, centre: Point, tilt_deg: float) -> Points:
    c, s = np.float32(np.cos(np.radians(tilt_deg))), np.float32(np.sin(np.radians(tilt_deg)))
    y, z = p.y - np.float32(centre[1]), p.z - np.float32(centre[2])
    return Points(p.x - np.float32(centre[0]), c * y + s * z, c * z - s * y)
