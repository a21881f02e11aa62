"""The soft tissue around the bones: solids painted over each other, from the skin inwards."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from training.phantoms.organs import organs
from training.phantoms.shapes import (
    Field,
    Points,
    Solid,
    block,
    chain,
    ellipsoid,
    rod,
    smooth_cut,
    smooth_union,
    union,
)
from training.phantoms.skeleton import hip
from training.phantoms.structures import Structure
from training.phantoms.subject import PhantomSubject

SKIN_MM = 2.0
_FASCIA_MM = 1.8
_TRUNK_Z = [-110.0, -60.0, -20.0, 40.0, 100.0, 140.0, 190.0]
_TRUNK_HALF_WIDTH = [150.0, 164.0, 168.0, 158.0, 148.0, 140.0, 134.0]
_TRUNK_HALF_DEPTH = [66.0, 78.0, 88.0, 92.0, 90.0, 88.0, 88.0]
_TRUNK_Y = [12.0, 12.0, 12.0, 14.0, 12.0, 10.0, 8.0]
_CAVITY_Z = [-34.0, -10.0, 20.0, 50.0, 75.0, 110.0, 190.0]
_CAVITY_HALF_WIDTH = [16.0, 44.0, 52.0, 60.0, 92.0, 112.0, 112.0]
_CAVITY_HALF_DEPTH = [20.0, 46.0, 58.0, 64.0, 60.0, 50.0, 50.0]
_CAVITY_Y = [34.0, 28.0, 22.0, 14.0, -4.0, -20.0, -24.0]


def soft_tissue(p: Points, subject: PhantomSubject) -> Iterator[Solid]:
    """Yields solids in painting order; bones are painted after them."""
    half = Points(np.abs(p.x), p.y, p.z)
    everywhere = (slice(0, p.x.shape[0]), slice(0, p.x.shape[1]), slice(0, p.x.shape[2]))
    for structure, distance in _layers(p, half, subject):
        yield Solid(structure, everywhere, distance)
    yield from organs(p, np.random.default_rng(subject.seed))


def _layers(p: Points, half: Points, subject: PhantomSubject) -> Iterator[tuple[Structure, Field]]:
    flesh = _flesh(half)
    skin = flesh - np.float32(subject.fat_mm)
    yield Structure.SKIN, skin
    yield Structure.FAT, skin + np.float32(SKIN_MM)
    yield Structure.MUSCLE, flesh
    cavity = _oval(p, (_CAVITY_Z, _CAVITY_HALF_WIDTH, _CAVITY_HALF_DEPTH, _CAVITY_Y), 2.2)
    yield Structure.FAT, np.maximum(cavity, flesh + np.float32(13))
    for structure, muscle in _muscles(half, flesh):
        yield Structure.FAT, muscle - np.float32(_FASCIA_MM)
        yield structure, muscle


def _oval(p: Points, rows: tuple[list[float], ...], power: float) -> Field:
    """Returns the distance to a stack of superellipses, given as z, half width, half depth and y centre."""
    z, width, depth, centre = rows
    a, b, c = (np.interp(p.z, z, row).astype(np.float32) for row in (width, depth, centre))
    u, v = np.abs(p.x) / a, np.abs(p.y - c) / b
    radius = (u**power + v**power) ** np.float32(1 / power)
    return np.asarray((radius - 1) * np.minimum(a, b), dtype=np.float32)


def _flesh(half: Points) -> Field:
    """Returns the outer surface of the muscles: trunk, buttocks with their cleft, thighs."""
    trunk = _oval(half, (_TRUNK_Z, _TRUNK_HALF_WIDTH, _TRUNK_HALF_DEPTH, _TRUNK_Y), 2.4)
    trunk = smooth_cut(trunk, np.float32(-62) - half.z, 20.0)
    buttock = ellipsoid(half, (74, 58, -14), (78, 62, 84))
    thigh = rod(half, (92, 14, -40), (90, 8, -220), 80, 74)
    return union([trunk, buttock, thigh], 9.0)


def _muscles(half: Points, flesh: Field) -> Iterator[tuple[Structure, Field]]:
    side, outline = hip.blade_side(half), hip.ilium_outline(half)
    lateral = smooth_cut(np.abs(side - 15) - np.float32(14), outline + np.float32(2), 12.0)
    abductor = smooth_union(lateral, rod(half, (122, 8, 62), (143, 14, -2), 22, 13), 12.0)
    yield Structure.GLUTEAL, np.maximum(abductor, flesh + np.float32(2))
    maximus = ellipsoid(half, (82, 88, 8), (74, 36, 86))
    yield Structure.GLUTEAL, np.maximum(np.maximum(maximus, flesh + np.float32(1)), 14 - half.x)
    iliacus = smooth_cut(np.abs(side + 11) - np.float32(9), outline + np.float32(8), 10.0)
    yield Structure.ILIOPSOAS, smooth_union(_psoas(half), iliacus, 6.0)
    yield Structure.MUSCLE, chain(half, [(22, 96, 60, 9), (30, 84, 110, 21), (36, 74, 200, 26)])
    yield Structure.MUSCLE, chain(half, [(34, 74, 52, 8), (72, 66, 36, 12), (140, 22, 4, 7)])
    yield Structure.MUSCLE, block(half, (52, 8, 4), (5, 34, 30), 4.0)


def _psoas(half: Points) -> Field:
    nodes = [
        (40, 16, 190, 21),
        (50, 8, 130, 22),
        (70, -14, 82, 19),
        (88, -28, 40, 16),
        (98, -32, 8, 15),
        (112, -2, -42, 11),
        (118, 20, -62, 6),
    ]
    return chain(half, [(float(x), float(y), float(z), float(r)) for x, y, z, r in nodes])
