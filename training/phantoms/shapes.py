"""Signed distances, in mm and negative inside, of the simple solids that bones are built from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from training.phantoms.structures import Structure

Field = NDArray[np.float32]
Point = tuple[float, float, float]
Block = tuple[slice, slice, slice]
Limits = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]


@dataclass(frozen=True, eq=False)
class Points:
    """Points to evaluate at: model coordinates in mm, x to the left, y to posterior, z to superior."""

    x: Field
    y: Field
    z: Field

    def mirrored(self) -> Points:
        """Returns the points mirrored to the other side of the body."""
        return Points(-self.x, self.y, self.z)

    def at(self, box: Block) -> Points:
        """Returns the points inside a block of the array."""
        return Points(self.x[box], self.y[box], self.z[box])

    def block_within(self, limits_mm: Limits, margin_mm: float) -> Block | None:
        """Returns the block within limits of x, y and z, found on every fourth voxel; None if it is empty."""
        near = np.ones(self.x[::4, ::4, ::4].shape, dtype=bool)
        for axis, (low, high) in zip((self.x, self.y, self.z), limits_mm, strict=True):
            coarse = axis[::4, ::4, ::4]
            near &= (coarse > low - margin_mm) & (coarse < high + margin_mm)
        if not near.any():
            return None
        bounds = []
        for number, size in enumerate(self.x.shape):
            used = np.flatnonzero(near.any(axis=tuple(a for a in range(3) if a != number)))
            bounds.append(slice(max(int(used[0]) * 4 - 4, 0), min(int(used[-1]) * 4 + 5, size)))
        return bounds[0], bounds[1], bounds[2]


@dataclass(frozen=True, eq=False)
class Solid:
    """Distance in mm, negative inside, to one structure in a block of the grid."""

    structure: Structure
    block: Block
    distance_mm: Field


def smooth_union(a: Field, b: Field, blend_mm: float) -> Field:
    """Returns the union with a fillet (polynomial smooth minimum, I. Quilez, Smooth minimum, 2013)."""
    h = np.maximum(blend_mm - np.abs(a - b), 0)
    return np.asarray(np.minimum(a, b) - h * h * np.float32(0.25 / blend_mm))


def smooth_cut(a: Field, b: Field, blend_mm: float) -> Field:
    """Returns the intersection with a rounded edge."""
    return np.asarray(-smooth_union(-a, -b, blend_mm))


def union(parts: list[Field], blend_mm: float) -> Field:
    """Returns the smooth union of several solids."""
    return reduce(lambda a, b: smooth_union(a, b, blend_mm), parts)


def ellipsoid(p: Points, centre: Point, radii_mm: Point) -> Field:
    """Returns the first-order distance to an axis-aligned ellipsoid; exact for a sphere."""
    q = [(axis - c) / np.float32(r) for axis, c, r in zip((p.x, p.y, p.z), centre, radii_mm, strict=True)]
    g = [v / np.float32(r) for v, r in zip(q, radii_mm, strict=True)]
    k0 = np.sqrt(q[0] ** 2 + q[1] ** 2 + q[2] ** 2)
    k1 = np.sqrt(g[0] ** 2 + g[1] ** 2 + g[2] ** 2)
    return np.asarray(k0 * (k0 - 1) / np.maximum(k1, np.float32(1e-6)))


def sphere(p: Points, centre: Point, radius_mm: float) -> Field:
    """Returns the distance to a sphere."""
    cx, cy, cz = centre
    return np.asarray(np.sqrt((p.x - cx) ** 2 + (p.y - cy) ** 2 + (p.z - cz) ** 2) - np.float32(radius_mm))


def rod(p: Points, start: Point, end: Point, radius_start_mm: float, radius_end_mm: float) -> Field:
    """Returns the distance to a rod with round ends and a radius that changes linearly."""
    axis = np.subtract(end, start, dtype=np.float32)
    along = (p.x - start[0]) * axis[0] + (p.y - start[1]) * axis[1] + (p.z - start[2]) * axis[2]
    t = np.clip(along / np.float32(axis @ axis), 0, 1).astype(np.float32)
    rx, ry, rz = p.x - start[0] - t * axis[0], p.y - start[1] - t * axis[1], p.z - start[2] - t * axis[2]
    radius = radius_start_mm + t * (radius_end_mm - radius_start_mm)
    return np.asarray(np.sqrt(rx * rx + ry * ry + rz * rz) - radius, dtype=np.float32)


def chain(p: Points, nodes: list[tuple[float, float, float, float]], blend_mm: float = 4.0) -> Field:
    """Returns the distance to a bent rod through nodes (x, y, z, radius)."""
    return union([rod(p, a[:3], b[:3], a[3], b[3]) for a, b in pairwise(nodes)], blend_mm)


def block(p: Points, centre: Point, half_mm: Point, round_mm: float, tilt_deg: float = 0.0) -> Field:
    """Returns the distance to a box with rounded edges, rotated by `tilt_deg` about the x axis."""
    c, s = np.float32(np.cos(np.radians(tilt_deg))), np.float32(np.sin(np.radians(tilt_deg)))
    y, z = p.y - centre[1], p.z - centre[2]
    q = [
        np.abs(v) - np.float32(h - round_mm)
        for v, h in zip((p.x - centre[0], c * y + s * z, c * z - s * y), half_mm, strict=True)
    ]
    outside = np.sqrt(sum(np.maximum(v, 0) ** 2 for v in q))
    inside = np.minimum(np.maximum(np.maximum(q[0], q[1]), q[2]), 0)
    return np.asarray(outside + inside - round_mm, dtype=np.float32)
