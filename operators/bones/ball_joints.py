"""Gives the head of a ball joint to its own bone, by a sphere fitted to the part of it that was seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.geometry.distance import distance_mm
from operators.geometry.spheres import fit_sphere
from operators.geometry.volume import Box
from operators.packages.coarse_to_fine import BallJoint

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
Points = NDArray[np.float64]

# The part of the head that faces its socket, across cartilage and the blur of thick slices. Measured on both
# heads of a CT with slices of 5 mm: radii of 22.0 and 22.9 mm; with 12 mm of the surface 20.1 and 18.0
FACING_MM = 6.0
# Residuals beyond it, half a voxel of a fine network, pull less and less
TIGHT_MM = 0.7
# A sphere explains the surface if half of it or more lies within a voxel of the sphere
NEAR_MM, LEAST_SHARE = 1.5, 0.5
FEWEST_POINTS = 50
# The share of the sphere that the network takes for the head: 0.22 and 0.48 on the two heads of that CT, and
# 0.01 where a CT ends above the joint and a few voxels of the pelvis were taken for a head
LEAST_FILLED = 0.1


@dataclass(frozen=True, eq=False)
class Ball:
    """The sphere of a bone's rounded end; positions in mm from voxel 0."""

    centre_mm: Points
    radius_mm: float

    def inside(self, shape: tuple[int, ...], spacing_mm: Sequence[float]) -> Mask:
        """Returns which voxels of a grid lie in it."""
        axes = np.ogrid[tuple(slice(n) for n in shape)]
        away_mm2 = sum(
            (axis * step - at) ** 2 for axis, step, at in zip(axes, spacing_mm, self.centre_mm, strict=True)
        )
        within: Mask = away_mm2 < self.radius_mm**2
        return within


def restore_heads(
    probabilities: Array, classes: Sequence[str], spacing_mm: Sequence[float], joints: Sequence[BallJoint]
) -> None:
    """Moves the socket's probability inside each joint's head to the head's class; in place.

    Networks take the top of a head for its socket where thick slices hide the gap between the two.
    `probabilities` is (classes, I, J, K).
    """
    if not joints:
        return
    winner = probabilities.argmax(axis=0)
    for joint in joints:
        head, socket = (classes.index(name) for name in (joint.head, joint.socket))
        for sphere in fit_heads(winner == head, winner == socket, spacing_mm, joint.radius_mm):
            inside = sphere.inside(winner.shape, spacing_mm)
            probabilities[head][inside] += probabilities[socket][inside]
            probabilities[socket][inside] = 0


def fit_heads(
    head: Mask, socket: Mask, spacing_mm: Sequence[float], radius_mm: tuple[float, float]
) -> Iterator[Ball]:
    """Yields the sphere of each head whose surface, where it faces a socket, is one."""
    facing = facing_surface(head, socket, spacing_mm)
    groups, count = ndimage.label(ndimage.binary_dilation(facing, iterations=2))
    for group in range(1, count + 1):
        points = np.argwhere(facing & (groups == group)) * np.array(spacing_mm)
        sphere = fit_head(points, radius_mm) if len(points) >= FEWEST_POINTS else None
        if sphere is not None and head[sphere.inside(head.shape, spacing_mm)].mean() >= LEAST_FILLED:
            yield sphere


def facing_surface(head: Mask, socket: Mask, spacing_mm: Sequence[float]) -> Mask:
    """Returns the voxels of `head` that border neither class and lie near the socket.

    Where the two classes border each other, the gap was not seen, and the border is none of the head's.
    """
    surface = np.zeros(head.shape, bool)
    around = Box.around(head)
    if around is None or not socket.any():
        return surface
    box = around.grow_mm(FACING_MM, spacing_mm, head.shape).slices
    near = distance_mm(~socket[box], tuple(spacing_mm)) <= FACING_MM
    surface[box] = head[box] & near & ndimage.binary_dilation(~(head[box] | socket[box]))
    return surface


def fit_head(points_mm: Points, radius_mm: tuple[float, float]) -> Ball | None:
    """Fits a sphere to points (N, 3) by robust least squares; None if they are not on one of that radius."""
    from scipy import optimize  # slow to import, and needed in thick slices alone

    least, greatest = radius_mm
    centre, first = fit_sphere(points_mm)

    def residuals_mm(sphere: Points) -> Points:
        found: Points = np.linalg.norm(points_mm - sphere[:3], axis=1) - sphere[3]
        return found

    start = [*centre, np.clip(first, 1.01 * least, 0.99 * greatest)]
    limits = ([-np.inf] * 3 + [least], [np.inf] * 3 + [greatest])
    found = optimize.least_squares(residuals_mm, start, loss="cauchy", f_scale=TIGHT_MM, bounds=limits).x
    share = float((np.abs(residuals_mm(found)) < NEAR_MM).mean())
    at_limit = not 1.01 * least < found[3] < 0.99 * greatest
    return None if at_limit or share < LEAST_SHARE else Ball(found[:3], float(found[3]))
