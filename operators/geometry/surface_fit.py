"""Fits one surface to another: a rigid movement with a scale, by points and their normals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from operators.geometry.surface_points import SurfacePoints

Points = NDArray[np.float64]

# Share of the points that is fitted: a cut face, a torn edge or another bone has no counterpart
FITTED = 0.85
# Points whose normals differ by more than about 75 degrees, or that lie farther away, are no counterparts
LEAST_COSINE, CAP_MM = 0.25, 15.0
# Bones of adults differ in size by about 7 % (standard deviation of 26 thigh bones; of statures 4 %)
SCALE_SPREAD = 0.07
LARGEST_TURN = 0.3
# How many fits go on, with how many points and for how many steps
ROUNDS = ((1000, 100, 3), (30, 150, 6), (4, 500, 15))
# Fits that go on differ by more than this: 15 degrees, or 10 mm
APART_COSINE, APART_MM = 0.966, 10.0


@dataclass(frozen=True, eq=False)
class Similarity:
    """A movement x -> `scale` `turn` x + `shift` in mm, and the root mean square misfit of what it fits."""

    turn: Points
    shift: Points
    scale: float = 1.0
    misfit_mm: float = np.inf

    def of(self, points: Points) -> Points:
        """Returns points (N, 3) after the movement."""
        return self.scale * points @ self.turn.T + self.shift

    def back(self, points: Points) -> Points:
        """Returns points (N, 3) before the movement."""
        return (points - self.shift) @ self.turn / self.scale


@dataclass(frozen=True, eq=False)
class Target:
    """A surface that others are fitted to."""

    surface: SurfacePoints

    @cached_property
    def tree(self) -> cKDTree:
        """Its points, for the nearest one."""
        return cKDTree(self.surface.points)


def fit_surface(moving: SurfacePoints, target: Target, starts: Sequence[Similarity]) -> Similarity:
    """Returns the movement that takes a surface, or a part of one, onto the target with the least misfit.

    Every start is followed for a few steps, the best of them for longer. The misfit is in the moving
    surface's millimetres, over the best 85 % of its points.
    """
    fits = list(starts)
    for most, points, steps in ROUNDS:
        some = moving.some(points)
        fits = distinct(fits, some.points.mean(axis=0), most)
        fits = sorted((follow(some, target, fit, steps) for fit in fits), key=lambda fit: fit.misfit_mm)
    return fits[0]


def distinct(fits: Sequence[Similarity], at: Points, most: int) -> list[Similarity]:
    """Returns the first few of the fits that differ from each other near the point `at`."""
    if len(fits) <= most and fits[0].misfit_mm == np.inf:
        return list(fits)
    kept: list[Similarity] = []
    for fit in fits:
        if len(kept) < most and all(differ(fit, other, at) for other in kept):
            kept.append(fit)
    return kept


def differ(one: Similarity, other: Similarity, at: Points) -> bool:
    """Returns whether two movements take a surface around the point `at` to different poses."""
    cosine = (np.trace(one.turn @ other.turn.T) - 1) / 2
    return bool(cosine < APART_COSINE or np.linalg.norm(one.of(at) - other.of(at)) > APART_MM)


def follow(moving: SurfacePoints, target: Target, start: Similarity, steps: int) -> Similarity:
    """Returns the movement after some steps of iterative closest points, measured to tangent planes (Chen &
    Medioni 1992), trimmed (Chetverikov et al. 2002), with its misfit.
    """
    now, kept = start, max(int(len(moving.points) * FITTED), 3)
    for _ in range(steps):
        moved = now.of(moving.points)
        off_mm, normals = offsets(moved, moving.normals @ now.turn.T, target)
        closest = np.argpartition(np.abs(off_mm), kept - 1)[:kept]
        now = step_towards(now, moved[closest], off_mm[closest], normals[closest])
    off_mm, _ = offsets(now.of(moving.points), moving.normals @ now.turn.T, target)
    best_mm = np.sort(np.abs(off_mm))[:kept]
    return replace(now, misfit_mm=float(np.sqrt((best_mm**2).mean())) / now.scale)


def offsets(points: Points, normals: Points, target: Target) -> tuple[Points, Points]:
    """Returns how far points (N, 3) lie outside the target's nearest tangent planes, and the planes' normals.

    Points without a counterpart are CAP_MM away.
    """
    apart_mm, nearest = target.tree.query(points)
    planes = target.surface.normals[nearest]
    off_mm = ((points - target.surface.points[nearest]) * planes).sum(axis=1)
    strange = (apart_mm > CAP_MM) | ((planes * normals).sum(axis=1) < LEAST_COSINE)
    return np.where(strange, CAP_MM + np.minimum(apart_mm, CAP_MM), off_mm), planes


def step_towards(now: Similarity, moved: Points, off_mm: Points, normals: Points) -> Similarity:
    """Returns the movement after one step of least squares over turn, shift and scale."""
    middle = moved.mean(axis=0)
    away = moved - middle
    design = np.column_stack([np.cross(away, normals), normals, (away * normals).sum(axis=1)])
    weights = np.array([*[1e-6] * 6, SCALE_SPREAD**-2])
    wanted = -design.T @ off_mm - weights * [*[0.0] * 6, np.log(now.scale)]
    step = np.linalg.solve(design.T @ design + np.diag(weights), wanted)
    angle = float(np.linalg.norm(step[:3]))
    turn = Rotation.from_rotvec(step[:3] * min(1.0, LARGEST_TURN / max(angle, 1e-12))).as_matrix()
    grow = float(np.exp(np.clip(step[6], -0.1, 0.1)))
    shift = grow * turn @ (now.shift - middle) + middle + step[3:6]
    return Similarity(turn @ now.turn, shift, now.scale * grow)
