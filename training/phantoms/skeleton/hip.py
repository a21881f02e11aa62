"""The left hip bone: ilium as a curved blade, acetabulum as a cup, pubis and ischium as swept rods."""

from __future__ import annotations

from functools import cache

import numpy as np

from training.phantoms.shapes import (
    Field,
    Point,
    Points,
    block,
    chain,
    rod,
    smooth_cut,
    smooth_union,
    sphere,
    union,
)
from training.phantoms.skeleton import profile

HEAD_CENTRE: Point = (91.0, 2.0, 0.0)
HEAD_RADIUS_MM = 23.5
_CUP_OPENING = np.array([0.80, -0.26, -0.54])
_BLADE_Y = [-50.0, -30.0, -10.0, 10.0, 30.0, 50.0, 70.0, 90.0, 110.0]
_BLADE_Z = [10.0, 40.0, 65.0, 85.0, 105.0, 125.0, 145.0, 165.0]
_BLADE_X: list[list[float]] = [
    [108, 102, 95, 88, 82, 76, 70, 64, 58],
    [110, 103, 96, 89, 81, 72, 65, 59, 54],
    [126, 117, 110, 98, 79, 65, 56, 51, 46],
    [138, 133, 123, 108, 86, 66, 56, 51, 47],
    [143, 141, 137, 121, 100, 70, 54, 48, 44],
    [146, 143, 139, 128, 107, 76, 57, 51, 47],
    [146, 143, 138, 128, 109, 83, 64, 56, 51],
    [142, 138, 132, 122, 105, 85, 70, 60, 54],
]
_BLADE_HALF_THICKNESS: list[list[float]] = [
    [8, 10, 14, 16, 14, 10, 6, 6, 6],
    [8, 9, 13, 16, 14, 10, 8, 8, 8],
    [6, 7, 8.5, 9, 10, 10.5, 9, 8, 7],
    [6, 5.5, 4.5, 3.8, 5, 9, 9.5, 9, 8],
    [6, 4.8, 3.4, 2.2, 2.6, 7.5, 10.5, 10, 9],
    [6, 4.8, 3.2, 2.0, 2.4, 6, 9, 9, 8],
    [6, 5, 3.6, 2.8, 3.2, 5.5, 7, 7, 6],
    [6, 6, 5, 5, 5, 6, 6, 6, 6],
]
_ILIUM_OUTLINE: list[tuple[float, float]] = [
    (-53, 82), (-43, 102), (-28, 117), (-10, 131), (8, 144), (28, 154), (45, 158), (60, 155), (76, 145),
    (88, 132), (97, 117), (98, 105), (91, 94), (90, 80), (83, 68), (70, 62), (59, 57), (51, 46), (49, 30),
    (50, 14), (40, 6), (15, 6), (-10, 8), (-24, 18), (-33, 31), (-38, 46), (-34, 60), (-40, 71), (-50, 75),
]  # fmt: skip


def hip_bone(p: Points) -> Field:
    """Returns the distance to the left hip bone; mirror the points for the right one."""
    bone = union([_ilium(p), _cup(p), _columns(p), _pubis(p), _ischium(p)], 7.0)
    socket = sphere(p, HEAD_CENTRE, HEAD_RADIUS_MM + 2.5)
    notch = rod(p, (92, -2, -6), (88, -14, -52), 14, 12)
    bone = smooth_cut(bone, -smooth_union(socket, notch, 3.0), 2.0)
    return np.asarray(np.maximum(bone, np.float32(2.0) - p.x))


def blade_side(p: Points) -> Field:
    """Returns the signed distance from the ilium's middle surface, positive laterally."""
    middle = _middle()
    slope_y, slope_z = np.gradient(middle)
    look = profile.lookup(p)
    return np.asarray((p.x - look(middle)) * look(1 / np.sqrt(1 + slope_y**2 + slope_z**2)))


def ilium_outline(p: Points) -> Field:
    """Returns the signed distance to the ilium's outline in lateral view."""
    return profile.lookup(p)(_outline())


@cache
def _middle() -> profile.Drawing:
    return profile.from_table(_BLADE_Y, _BLADE_Z, _BLADE_X)


@cache
def _outline() -> profile.Drawing:
    return profile.closed_outline(_ILIUM_OUTLINE)


def _ilium(p: Points) -> Field:
    outline = _outline()
    half = profile.from_table(_BLADE_Y, _BLADE_Z, _BLADE_HALF_THICKNESS)
    crest = np.exp(-(((outline + 5) / 7) ** 2)) * np.clip((profile.Z_MM - 70) / 30, 0, 1)
    look = profile.lookup(p)
    sheet = np.abs(blade_side(p)) - look(np.maximum(half, 3.5 * crest + half * 0.9))
    return smooth_cut(sheet, look(outline), 7.0)


def _cup(p: Points) -> Field:
    cx, cy, cz = HEAD_CENTRE
    shell = sphere(p, HEAD_CENTRE, HEAD_RADIUS_MM + 9.5)
    a, b, c = (float(v) for v in _CUP_OPENING / np.linalg.norm(_CUP_OPENING))
    mouth = (p.x - cx) * a + (p.y - cy) * b + (p.z - cz) * c - np.float32(5.0)
    return smooth_cut(shell, mouth, 5.0)


def _columns(p: Points) -> Field:
    posterior = chain(p, [(76, 40, 52, 10), (80, 34, 28, 14), (76, 34, 2, 13), (72, 36, -14, 13)])
    anterior = chain(p, [(112, -30, 48, 8), (101, -22, 36, 10), (84, -18, 22, 10)])
    brim = chain(p, [(62, 46, 66, 7), (70, 20, 40, 8), (70, -6, 20, 8)])
    spine = rod(p, (66, 46, 6), (57, 61, 2), 8, 2.5)
    return union([posterior, anterior, brim, spine], 6.0)


def _pubis(p: Points) -> Field:
    superior = chain(p, [(82, -18, 16, 10), (64, -25, 8, 8), (44, -34, 0, 8), (22, -43, -6, 8.5)])
    body = block(p, (17, -34, -19), (17.5, 10.5, 22.5), 8.5, tilt_deg=36)
    tubercle = sphere(p, (26, -47, -3), 5.5)
    return union([superior, body, tubercle], 5.0)


def _ischium(p: Points) -> Field:
    body = chain(p, [(74, 32, -10, 13), (72, 40, -26, 14), (70, 43, -42, 14.5), (63, 36, -56, 11)])
    inner = chain(p, [(62, 32, -58, 8), (46, 14, -56, 7.2), (31, -4, -48, 7.2), (18, -20, -37, 8)])
    return union([body, inner], 5.0)
