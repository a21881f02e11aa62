"""Axes of a long bone from points of its surface: the axis of the shaft, the squares at the ends."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from operators.geometry.spheres import Sphere
from operators.geometry.surface_points import SurfacePoints

Points = NDArray[np.float64]

# The thickness of a section of the shaft, and how many sections make an axis
SECTION_MM, LEAST_SECTIONS = 8.0, 4
STEPS = 8
SECTORS = 24
# Directions across the axis in which an end is measured
WIDTHS = 18


@dataclass(frozen=True, eq=False)
class Line:
    """A line through `origin` along the unit vector `direction`, LPS in mm.

    `residual_mm` is the root mean square distance of what it was fitted to, over `length_mm`.
    """

    origin: Points
    direction: Points
    residual_mm: float = 0.0
    length_mm: float = 0.0

    def heights_mm(self, points: Points) -> Points:
        """Returns how far points (N, 3) lie along the line."""
        return (points - self.origin) @ self.direction

    def across(self, points: Points) -> Points:
        """Returns the vectors (N, 3) from the line to points (N, 3)."""
        away = points - self.origin
        return away - np.outer(away @ self.direction, self.direction)

    def reversed(self) -> Line:
        """Returns the line in the other direction."""
        return replace(self, direction=-self.direction)


def shaft_of(surface: SurfacePoints, head: Sphere, squares: tuple[float, float]) -> Line | None:
    """Returns the axis of the shaft, towards the head; None if too little of the shaft is in view.

    It runs through the centres of sections that lie `squares` sides of the end's square from the head's end.
    """
    away_mm = np.linalg.norm(surface.points - head.centre, axis=1)
    line = line_through(surface.points[away_mm >= np.median(away_mm)], head.centre)
    for _ in range(STEPS):
        heights = line.heights_mm(surface.points)
        top_mm, square_mm = heights.max(), end_square_mm(surface.points, line)
        low_mm = max(top_mm - squares[1] * square_mm, heights.min() + SECTION_MM)
        centres = section_centres(surface.points, line, low_mm, top_mm - squares[0] * square_mm)
        if len(centres) < LEAST_SECTIONS:
            return None
        line = line_through(centres, head.centre)
    return line


def line_through(points: Points, towards: Points) -> Line:
    """Returns the line of least squares through points (N, 3), which points towards a point."""
    middle = points.mean(axis=0)
    away = points - middle
    direction: Points = np.linalg.svd(away, full_matrices=False)[2][0]
    line = Line(middle, -direction if (towards - middle) @ direction < 0 else direction)
    residual_mm = float(np.sqrt((line.across(points) ** 2).sum(axis=1).mean()))
    return replace(line, residual_mm=residual_mm, length_mm=float(np.ptp(away @ direction)))


def section_centres(points: Points, line: Line, low_mm: float, high_mm: float) -> Points:
    """Returns the centres (N, 3) of the sections across a line between two heights."""
    heights = line.heights_mm(points)
    middles = np.arange(low_mm, high_mm - SECTION_MM / 2, SECTION_MM) + SECTION_MM / 2
    slabs = (points[np.abs(heights - middle) <= SECTION_MM / 2] for middle in middles)
    return np.array([centre_of(slab, line.direction) for slab in slabs if len(slab) >= SECTORS])


def centre_of(contour: Points, normal: Points) -> Points:
    """Returns the centre (3,) of the area within a contour of unordered points (N, 3), seen along `normal`.

    It is that of the polygon of the means over sectors, so that the density of the points does not matter.
    """
    middle = contour.mean(axis=0)
    away = contour - middle
    sector = sectors_of(away, normal)
    counts = np.bincount(sector, minlength=SECTORS)[:, None]
    sums = np.stack([np.bincount(sector, along, SECTORS) for along in away.T], axis=1)
    corners = sums[counts[:, 0] > 0] / counts[counts[:, 0] > 0]
    after = np.roll(corners, -1, axis=0)
    areas = np.cross(corners, after) @ normal
    centre: Points = middle + ((corners + after) * areas[:, None]).sum(axis=0) / (3 * areas.sum())
    return centre


def sectors_of(away: Points, normal: Points) -> NDArray[np.intp]:
    """Returns in which of SECTORS sectors about `normal` each vector (N, 3) points."""
    u, v = plane_axes(normal)
    share = (np.arctan2(away @ v, away @ u) + np.pi) / (2 * np.pi)
    sector: NDArray[np.intp] = (share * SECTORS).astype(np.intp) % SECTORS
    return sector


def plane_axes(normal: Points) -> tuple[Points, Points]:
    """Returns two unit vectors that are right-handed with `normal`, across it."""
    u = np.cross(normal, np.eye(3)[int(np.argmin(np.abs(normal)))])
    u /= np.linalg.norm(u)
    return u, np.cross(normal, u)


def end_square_mm(points: Points, line: Line) -> float:
    """Returns the side of the square at the end towards which a line points: it is as deep as it is wide.

    The rule of the AO/OTA classification (J Orthop Trauma 2018;32 Suppl 1, after Heim): the side is the
    widest part of the end segment. The width is the greatest across the axis in any direction.
    """
    heights = line.heights_mm(points)
    order = np.argsort(-heights)
    depths = heights.max() - heights[order]
    angles = np.linspace(0, np.pi, WIDTHS, endpoint=False)
    across = points[order] @ (np.stack(plane_axes(line.direction), axis=1) @ [np.cos(angles), np.sin(angles)])
    widths = (np.maximum.accumulate(across) - np.minimum.accumulate(across)).max(axis=1)
    deepest = int(np.flatnonzero(widths >= depths)[-1])
    return float(depths[deepest])
