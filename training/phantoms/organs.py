"""Bladder, bowel with its gas, vessels, discs and cartilage, each in its own block of the grid."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from training.phantoms.shapes import Field, Limits, Point, Points, Solid, block, chain, ellipsoid, sphere
from training.phantoms.skeleton import hip, spine
from training.phantoms.structures import Structure

Node = tuple[float, float, float, float]
_MARGIN_MM = 12.0
_RECTUM: list[Node] = [
    (0, 42, -34, 9), (0, 60, -10, 15), (4, 68, 22, 16), (-8, 60, 52, 14), (-34, 30, 72, 13), (-6, 6, 84, 13),
    (40, 2, 92, 13), (74, -8, 118, 15),
]  # fmt: skip
_ARTERY: list[Node] = [
    (10, -14, 150, 6), (38, 2, 112, 6), (54, -12, 62, 5.5), (62, -38, 16, 5.5), (66, -52, -20, 5),
    (80, -44, -110, 4.5),
]  # fmt: skip
_VEIN: list[Node] = [
    (16, 0, 146, 8), (42, 14, 108, 7.5), (52, 0, 62, 7), (54, -30, 14, 7), (55, -46, -20, 6.5),
    (72, -34, -110, 6),
]  # fmt: skip
_TRUNK_VESSELS: list[list[Node]] = [
    [(6, -20, 150, 8.5), (12, -24, 210, 9)],
    [(-8, -8, 146, 11), (-24, -18, 210, 12)],
]


def organs(p: Points, rng: np.random.Generator) -> Iterator[Solid]:
    """Yields solids in painting order."""
    radii = (36.0, 29.0, float(rng.uniform(20, 30)))
    middle = (0.0, -16.0, 14.0)
    yield from _bounded(p, Structure.BLADDER, middle, radii, lambda q: ellipsoid(q, middle, radii))
    yield from tube(p, Structure.RECTUM, _RECTUM)
    yield from tube(p, Structure.GAS, [(0, 56, -8, 5), (4, 62, 22, 9), (-8, 54, 50, 7)])
    for sign in (-1, 1):
        yield from _colon(p, sign, rng)
    for _ in range(5):
        yield from _loop(p, rng)
    yield from _vessels(p)
    yield from _joints(p)


def tube(p: Points, structure: Structure, nodes: list[Node], grow_mm: float = 0.0) -> Iterator[Solid]:
    """Yields a bent tube within its own block."""
    low, high = (np.array(nodes)[:, :3] - np.array(nodes)[:, 3:]).min(0), np.array(nodes)[:, :3].max(0)
    centre = (low + high) / 2
    reach = (high - low) / 2 + max(n[3] for n in nodes)
    yield from _bounded(
        p,
        structure,
        (float(centre[0]), float(centre[1]), float(centre[2])),
        (float(reach[0]), float(reach[1]), float(reach[2])),
        lambda q: chain(q, nodes) - np.float32(grow_mm),
    )


def _bounded(
    p: Points, structure: Structure, centre: Point, reach_mm: Point, draw: Callable[[Points], Field]
) -> Iterator[Solid]:
    (a, b, c), (u, v, w) = centre, reach_mm
    limits: Limits = ((a - u, a + u), (b - v, b + v), (c - w, c + w))
    where = p.block_within(limits, _MARGIN_MM)
    if where is not None:
        yield Solid(structure, where, draw(p.at(where)))


def _colon(p: Points, sign: int, rng: np.random.Generator) -> Iterator[Solid]:
    nodes: list[Node] = [
        (sign * x, float(rng.normal(-12, 4)), z, 17.0)
        for x, z in ((84.0, 104.0), (90.0, 140.0), (94.0, 195.0))
    ]
    yield from tube(p, Structure.BOWEL, nodes)
    yield from tube(p, Structure.GAS, [(x, y - 6, z, float(rng.uniform(5, 12))) for x, y, z, _ in nodes])


def _loop(p: Points, rng: np.random.Generator) -> Iterator[Solid]:
    """Yields a winding loop of small bowel with gas in its anterior part."""
    count = 6
    across = np.linspace(-62, 62, count)
    forward, radius = rng.uniform(-56, -24, count), rng.uniform(10, 14, count)
    height = rng.uniform(52, 170) + rng.normal(0, 14, count)
    rows = np.stack([across, forward, height, radius], axis=1).tolist()
    nodes: list[Node] = [(x, y, z, r) for x, y, z, r in rows]
    yield from tube(p, Structure.FAT, nodes, grow_mm=2.5)
    yield from tube(p, Structure.BOWEL, nodes)
    first = int(rng.integers(0, count - 2))
    yield from tube(p, Structure.GAS, [(x, y - 4, z, r * 0.6) for x, y, z, r in nodes[first : first + 2]])


def _vessels(p: Points) -> Iterator[Solid]:
    for nodes in _TRUNK_VESSELS:
        yield from tube(p, Structure.VESSEL, nodes)
    for nodes in (_ARTERY, _VEIN):
        for sign in (-1, 1):
            yield from tube(p, Structure.VESSEL, [(sign * x, y, z, r) for x, y, z, r in nodes])


def _joints(p: Points) -> Iterator[Solid]:
    x, y, z = hip.HEAD_CENTRE
    radius = hip.HEAD_RADIUS_MM + 3
    for centre in ((x, y, z), (-x, y, z)):
        reach = (radius, radius, radius)
        draw = partial(sphere, centre=centre, radius_mm=radius)
        yield from _bounded(p, Structure.CARTILAGE, centre, reach, draw)
    symphysis = partial(block, centre=(0, -34, -19), half_mm=(5, 7.5, 20), round_mm=3.0, tilt_deg=36)
    yield from _bounded(p, Structure.CARTILAGE, (0, -34, -19), (5, 20, 20), symphysis)
    for middle, tilt_deg, half_height_mm in spine.DISCS:
        between = partial(spine.disc, centre=middle, tilt_deg=tilt_deg, half_height_mm=half_height_mm)
        yield from _bounded(p, Structure.DISC, middle, (30, 24, 24), between)
