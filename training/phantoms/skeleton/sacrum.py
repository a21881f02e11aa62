"""The sacrum with the coccyx, along a kyphotic curve."""

from __future__ import annotations

import numpy as np

from training.phantoms.shapes import Field, Points, smooth_cut, smooth_union, union
from training.phantoms.skeleton import profile

_CURVE: list[tuple[float, float]] = [
    (36, 122), (51, 103), (70, 84), (85, 64), (93, 42), (94, 20), (89, 0), (80, -18),
]  # fmt: skip
_HALF_DEPTH = [15.5, 13.2, 10.8, 8.6, 7.2, 5.8, 4.6, 3.5]
_HALF_WIDTH = [54.0, 60.0, 54.0, 45.0, 35.0, 21.0, 9.0, 6.0]
_ARCH = [14.0, 14.0, 12.0, 9.5, 6.5, 3.0, 0.0, 0.0]
_CANAL = [7.0, 6.5, 5.5, 4.5, 3.5, 2.0, 0.5, 0.5]
_FORAMINA = [(1.35, 23.0, 5.6), (2.35, 20.5, 5.0), (3.35, 18.0, 4.4), (4.3, 15.0, 3.6)]


def sacrum(p: Points) -> Field:
    """Returns the distance to the sacrum, before the sacroiliac joints are cut."""
    arc, offset, at_node = profile.along_curve(_CURVE)
    look = profile.lookup(p)
    s, n, x = look(arc), look(offset), np.abs(p.x)
    depth, width, arch, canal = (
        look(np.interp(arc, at_node, values)) for values in (_HALF_DEPTH, _HALF_WIDTH, _ARCH, _CANAL)
    )
    mass = _mass(x, n, depth, width)
    solid = union([mass, _bodies(x, n, s, depth), _posterior_wall(x, n, s, depth, width, arch)], 5.0)
    solid = smooth_cut(solid, _ends(s, x, float(at_node[-1])), 5.0)
    solid = smooth_union(solid, _facets(x, n, s, depth), 4.0)
    return smooth_cut(solid, -_openings(x, n, s, depth, canal, at_node), 2.0)


def _mass(x: Field, n: Field, depth: Field, width: Field) -> Field:
    reach = np.minimum(x / width, 1.2)
    half = depth * (1 - 0.36 * reach**2)
    shift = depth * 0.34 * reach**2
    qx, qn = x - width + 6, np.abs(n - shift) - half + np.float32(4)
    outside = np.sqrt(np.maximum(qx, 0) ** 2 + np.maximum(qn, 0) ** 2)
    return np.asarray(outside + np.minimum(np.maximum(qx, qn), 0) - 5, dtype=np.float32)


def _bodies(x: Field, n: Field, s: Field, depth: Field) -> Field:
    """Returns the column of vertebral bodies, which protrudes before the alae; each fused disc is a ridge."""
    ridge = np.float32(0.8) * np.cos(s * np.float32(2 * np.pi / 26))
    return np.asarray(np.sqrt((x / 1.55) ** 2 + (n + 1.5) ** 2) - depth * 1.02 - ridge, dtype=np.float32)


def _posterior_wall(x: Field, n: Field, s: Field, depth: Field, width: Field, arch: Field) -> Field:
    wall = np.maximum(np.abs(n - depth - arch / 2) - arch / 2 - 1, x - width * 0.52)
    ridge_height = arch * (1.25 + 0.35 * np.sin(s * np.float32(2 * np.pi / 24)))
    ridge = np.maximum(np.abs(n - depth - ridge_height / 2) - ridge_height / 2, x - np.float32(3.5))
    return smooth_union(wall, ridge, 6.0)


def _ends(s: Field, x: Field, length_mm: float) -> Field:
    slope = np.maximum(x - 26, 0) * np.float32(0.45)
    return np.asarray(np.maximum(slope - s, s - np.float32(length_mm)), dtype=np.float32)


def _facets(x: Field, n: Field, s: Field, depth: Field) -> Field:
    radius = np.sqrt((x - 21) ** 2 + (n - depth - 7) ** 2 + (np.maximum(np.abs(s - 2) - 10, 0)) ** 2)
    return np.asarray(radius - 6, dtype=np.float32)


def _openings(x: Field, n: Field, s: Field, depth: Field, canal: Field, at_node: profile.Drawing) -> Field:
    opening = np.sqrt((x / 1.9) ** 2 + (n - depth - canal) ** 2) - canal
    for node, lateral_mm, radius_mm in _FORAMINA:
        centre = float(np.interp(node, np.arange(len(at_node)), at_node))
        hole = np.sqrt((x - lateral_mm - 0.15 * np.abs(n)) ** 2 + (s - centre) ** 2) - radius_mm
        opening = np.minimum(opening, hole)
    return np.asarray(opening, dtype=np.float32)
