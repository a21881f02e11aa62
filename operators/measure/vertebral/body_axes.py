"""Finds the body of a vertebra and its axes from the mask alone: the body is thick, the arch is thin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.geometry.distance import distance_mm
from operators.geometry.meshes import Mesh, mesh_of
from operators.geometry.resampling import interpolate_mask, isotropic_grid
from operators.geometry.volume import Grid

Points = NDArray[np.float64]
Mask = NDArray[np.bool_]

STEP_MM = 1.0
# The core of a body is where it is at least so deep, of the greatest depth
CORE = 0.6
# An endplate is what faces along the body's axis, within the inner part of the body: rims have spurs
FACING, INNER = 0.8, 0.7
TURNS, LEAST_POINTS = 12, 20
# So many thick parts of a bone are tried as its body, which is tilted by less than 70 degrees in any patient
PARTS, LEAST_UP = 3, 0.34
# An arch in view has at least so much of the body's volume
LEAST_ARCH = 0.1


@dataclass(frozen=True, eq=False)
class BodyAxes:
    """A vertebral body: its `centre`, LPS in mm, and unit vectors to the `left`, the `back` and `up`.

    `top` and `bottom` are the upward normals of its endplates; `half_width_mm` is measured to the side;
    `endplates` counts the points of the surface that face along the axis.
    """

    centre: Points
    left: Points
    back: Points
    up: Points
    top: Points
    bottom: Points
    half_width_mm: float
    endplates: int = 0

    def to_lps(self, points: Points) -> Points:
        """Returns points (..., 3), in mm to the left, the back and up from the centre, as LPS."""
        placed: Points = self.centre + points @ np.stack([self.left, self.back, self.up])
        return placed


def body_axes(mask: Mask, grid: Grid) -> BodyAxes | None:
    """Returns the axes of the vertebral body in a mask (I, J, K); None where they cannot be told."""
    fine = isotropic_grid(grid, (STEP_MM,) * 3)
    inside = np.pad(interpolate_mask(mask, grid, fine), 2)
    depth = distance_mm(inside, (STEP_MM,) * 3)
    if not depth.any():
        return None
    origin = fine.ijk_to_lps[:3, 3] - 2 * STEP_MM
    mesh = mesh_of(mask, grid)
    found = (axes_about(body, inside, origin, mesh) for body in thick_parts(inside, depth))
    return next((each for each in found if each is not None), None)


def thick_parts(inside: Mask, depth: NDArray[np.float32]) -> Iterator[Mask]:
    """Yields the thick parts of a mask, the deepest first: a crushed body can be thinner than its arch."""
    rest, least = depth.copy(), CORE * float(depth.max())
    for _ in range(PARTS):
        deepest = np.unravel_index(int(rest.argmax()), rest.shape)
        reach = CORE * float(rest[deepest])
        if rest[deepest] < least:
            return
        cores, _ = ndimage.label(rest >= reach)
        core = cores == cores[deepest]
        body = inside & (distance_mm(~core, (STEP_MM,) * 3) <= reach + STEP_MM)
        yield body
        rest[body] = 0


def axes_about(body: Mask, inside: Mask, origin: Points, mesh: Mesh) -> BodyAxes | None:
    """Returns the axes of a part of a bone as its body; None if it has no endplates, or no arch behind it."""
    centre = np.argwhere(body).mean(axis=0) * STEP_MM + origin
    arch = inside & ~body
    if np.count_nonzero(arch) < LEAST_ARCH * np.count_nonzero(body):
        return None
    behind = np.argwhere(arch).mean(axis=0) * STEP_MM + origin - centre
    at = np.rint((mesh.vertices_lps - origin) / STEP_MM).astype(int)
    close = ndimage.binary_dilation(body, iterations=2)[tuple(np.clip(at, 0, np.array(body.shape) - 1).T)]
    points, normals = mesh.vertices_lps[close] - centre, mesh.normals[close]
    return best_axes(points.astype(np.float64), normals.astype(np.float64), centre, behind)


def best_axes(points: Points, normals: Points, centre: Points, behind: Points) -> BodyAxes | None:
    """Returns the axes of a body's surface (N, 3), of which `centre` is the origin, with the arch `behind`.

    They are fitted from the patient's axis and from the direction in which the body is the shortest; the one
    on which more of the surface lies across counts.
    """
    shortest = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[2][2]
    starts = [np.array([0.0, 0.0, 1.0]), shortest * (1 if shortest[2] >= 0 else -1)]
    fitted = [fit_axes(points, normals, centre, behind, up) for up in starts]
    found = [each for each in fitted if each is not None]
    counted = (
        replace(each, endplates=int(np.count_nonzero(np.abs(normals @ each.up) >= FACING)))
        for each in found
        if each.up[2] >= LEAST_UP and each.back[1] > 0
    )
    return max(counted, key=lambda each: each.endplates, default=None)


def fit_axes(points: Points, normals: Points, centre: Points, behind: Points, up: Points) -> BodyAxes | None:
    """Returns the axes that the endplates have, found from a first direction `up`."""
    for _ in range(TURNS):
        back = behind - (behind @ up) * up
        if np.linalg.norm(back) < STEP_MM:
            return None
        back = back / np.linalg.norm(back)
        left = np.cross(back, up)
        plates = [endplate(points, normals, (left, back, sign * up)) for sign in (1.0, -1.0)]
        if plates[0] is None or plates[1] is None:
            return None
        (top, high), (bottom, low) = plates[0], plates[1]
        up = top - bottom
        up = up / np.linalg.norm(up)
    side = np.abs(points @ left)
    middle = centre + up * float(high - low) / 2
    return BodyAxes(middle, left, back, up, top, -bottom, float(np.quantile(side, 0.9)))


def endplate(
    points: Points, normals: Points, axes: tuple[Points, Points, Points]
) -> tuple[Points, float] | None:
    """Returns the normal of the endplate that faces along the last of three axes, and its height along it."""
    left, back, up = axes
    heights = points @ up
    facing = (normals @ up >= FACING) & (heights > 0)
    for across in (left, back):
        away = points @ across
        low, high = np.quantile(away[facing], [0.05, 0.95]) if facing.any() else (0.0, 0.0)
        facing &= np.abs(away - (low + high) / 2) <= INNER * (high - low) / 2 + STEP_MM
    if np.count_nonzero(facing) < LEAST_POINTS:
        return None
    chosen = points[facing]
    normal = np.linalg.svd(chosen - chosen.mean(axis=0), full_matrices=False)[2][2]
    return normal * (1 if normal @ up > 0 else -1), float(np.median(chosen @ up))
