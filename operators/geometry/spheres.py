"""Finds spheres on surfaces, such as the head of a long bone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from operators.geometry.surface_points import SurfacePoints

Points = NDArray[np.float64]

TRIES, SCORED_POINTS, STEPS = 4000, 1500, 10
# A surface from voxels of 1.5 mm lies within a millimetre of the true one, its normals within 20 degrees
TOLERANCE_MM, LEAST_COSINE = 1.0, 0.92
# Normals that meet at a sharp angle only place a centre well
LEAST_ANGLE_COSINE = 0.95


@dataclass(frozen=True, eq=False)
class Sphere:
    """A sphere fitted to a surface, LPS in mm.

    `residual_mm` is the root mean square distance of the `on_it` (N,) points of the surface from it, `cover`
    the share of the sphere's area on which the surface lies.
    """

    centre: Points
    radius_mm: float
    residual_mm: float
    cover: float
    on_it: NDArray[np.bool_]


def find_sphere(surface: SurfacePoints, radii_mm: tuple[float, float]) -> Sphere | None:
    """Returns the sphere of a radius within limits on which the most of the surface lies; None if none fits.

    Random pairs of points with their normals propose spheres (Schnabel, Wahl & Klein 2007); least squares
    over the points on the best one refine it. The same surface gives the same sphere.
    """
    centres, radii = _proposals(surface, radii_mm)
    if not len(radii):
        return None
    some = surface.some(SCORED_POINTS)
    scores = [np.count_nonzero(_on(some, c, r)) for c, r in zip(centres, radii, strict=True)]
    best = int(np.argmax(scores))
    return _refined(surface, centres[best], float(radii[best]), radii_mm)


def fit_sphere(points: Points) -> tuple[Points, float]:
    """Returns centre and radius in mm of the sphere of least squares through points (N, 3) (Coope 1993)."""
    middle = points.mean(axis=0)
    away = points - middle
    design = np.column_stack([2 * away, np.ones(len(away))])
    solution, *_ = np.linalg.lstsq(design, (away**2).sum(axis=1), rcond=None)
    centre = solution[:3]
    return centre + middle, float(np.sqrt(max(solution[3] + centre @ centre, 0.0)))


def _proposals(surface: SurfacePoints, radii_mm: tuple[float, float]) -> tuple[Points, Points]:
    """Returns centres (N, 3) and radii (N,) where the normals of two points meet."""
    pairs = np.random.default_rng(0).integers(0, len(surface.points), (TRIES, 2))
    a, b = surface.points[pairs[:, 0]], surface.points[pairs[:, 1]]
    m, n = surface.normals[pairs[:, 0]], surface.normals[pairs[:, 1]]
    cosine = (m * n).sum(axis=1)
    near = (np.linalg.norm(a - b, axis=1) <= 2 * radii_mm[1]) & (np.abs(cosine) < LEAST_ANGLE_COSINE)
    a, b, m, n, cosine = a[near], b[near], m[near], n[near], cosine[near]
    along_m, along_n = (m * (b - a)).sum(axis=1), (n * (b - a)).sum(axis=1)
    depth_m = -(along_m - cosine * along_n) / (1 - cosine**2)
    depth_n = -(cosine * along_m - along_n) / (1 - cosine**2)
    on_m, on_n = a - depth_m[:, None] * m, b - depth_n[:, None] * n
    radii = (depth_m + depth_n) / 2
    fits = np.linalg.norm(on_m - on_n, axis=1) <= 2 * TOLERANCE_MM
    fits &= np.abs(depth_m - depth_n) <= 4 * TOLERANCE_MM
    fits &= (radii >= radii_mm[0]) & (radii <= radii_mm[1])
    return ((on_m + on_n) / 2)[fits], radii[fits]


def _on(surface: SurfacePoints, centre: Points, radius_mm: float) -> NDArray[np.bool_]:
    """Returns which points (N,) lie on a sphere and face outwards."""
    away = surface.points - centre
    distance_mm = np.linalg.norm(away, axis=1)
    outwards = (away * surface.normals).sum(axis=1) >= LEAST_COSINE * distance_mm
    found: NDArray[np.bool_] = outwards & (np.abs(distance_mm - radius_mm) <= TOLERANCE_MM)
    return found


def _refined(
    surface: SurfacePoints, centre: Points, radius_mm: float, radii_mm: tuple[float, float]
) -> Sphere | None:
    on_it = _on(surface, centre, radius_mm)
    for _ in range(STEPS):
        if np.count_nonzero(on_it) < 10:
            return None
        centre, radius_mm = fit_sphere(surface.points[on_it])
        on_it = _on(surface, centre, radius_mm)
    if not on_it.any() or not radii_mm[0] <= radius_mm <= radii_mm[1]:
        return None
    off_mm = np.linalg.norm(surface.points[on_it] - centre, axis=1) - radius_mm
    cover = np.count_nonzero(on_it) * surface.area_mm2 / len(surface.points) / (4 * np.pi * radius_mm**2)
    return Sphere(centre, radius_mm, float(np.sqrt((off_mm**2).mean())), float(cover), on_it)
