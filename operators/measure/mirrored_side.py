"""Measures how far fragments have moved, by comparison with the mirrored intact bone of the other side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from operators.segmentation.measurements import Displacement, Measured, Movement

Points = NDArray[np.float64]

MOST_POINTS = 3000
# Share of a fragment's surface that is fitted; the rest (a torn edge, callus, parts without a counterpart) is
# left out
FITTED = 0.85
STEPS = 60
SETTLED_MM = 1e-3
# The sides of one body differ by about a millimetre; a worse fit does not show a displacement
WORST_FIT_MM = 3.0
# Pieces of one bone have different places on it. Measured on real pelves (patients 001 and 002 of
# FracSegNet): at most 0.03 of a fragment's surface lies within a millimetre of the place of the main one
COVERED_MM, MOST_COVERED = 1.0, 0.1


@dataclass(frozen=True, eq=False)
class Placement:
    """A rigid movement x -> turn x + shift in mm (LPS), and the root mean square of its misfit in mm."""

    turn: Points
    shift: Points
    misfit_mm: float

    def of(self, points: Points) -> Points:
        """Returns points (N, 3) after the movement."""
        return points @ self.turn.T + self.shift


STILL = Placement(np.eye(3), np.zeros(3), 0.0)


def mirror_points(points_lps: Points, normal: Points, offset_mm: float) -> Points:
    """Returns the mirror images of points (N, 3) in the plane `normal` x = `offset_mm`."""
    return points_lps - 2 * np.outer(points_lps @ normal - offset_mm, normal)


def measure_displacement(main: Points, fragment: Points, template: Points) -> Displacement | None:
    """Measures how `fragment` has moved against `main`, both surfaces (N, 3) without their fracture faces.

    `template` is the surface of the whole bone. Returns None if either does not fit it, or both fit the same
    place.
    """
    tree = cKDTree(template)
    still = place_points(main, tree, STILL)
    moved = place_points(fragment, tree, still)
    misfit_mm = float(np.hypot(still.misfit_mm, moved.misfit_mm))
    if max(still.misfit_mm, moved.misfit_mm) > WORST_FIT_MM:
        return None
    away_mm, _ = cKDTree(still.of(main)).query(moved.of(fragment), distance_upper_bound=COVERED_MM)
    if np.isfinite(away_mm).mean() > MOST_COVERED:
        return None
    back = Rotation.from_matrix(still.turn.T @ moved.turn)
    centre = fragment.mean(axis=0)
    home = (moved.of(centre[None]) - still.shift) @ still.turn
    radius_mm = float(np.sqrt(((fragment - centre) ** 2).sum(axis=1).mean()))
    return Displacement(
        Measured(float(np.degrees(back.magnitude())), float(np.degrees(misfit_mm / radius_mm))),
        Measured(float(np.linalg.norm(home - centre)), misfit_mm),
        Movement(triple(centre), triple(centre - home[0]), triple(-np.degrees(back.as_rotvec()))),
    )


def triple(vector: Points) -> tuple[float, float, float]:
    """Returns a vector (3,) as plain numbers."""
    x, y, z = map(float, vector)
    return x, y, z


def place_points(points: Points, tree: cKDTree, start: Placement) -> Placement:
    """Fits points to a surface from `start` (iterative closest points, Besl & McKay 1992; trimmed)."""
    some = points[:: max(len(points) // MOST_POINTS, 1)]
    kept = max(int(len(some) * FITTED), 3)
    now = start
    for _ in range(STEPS):
        away_mm, nearest = tree.query(now.of(some))
        closest = np.argpartition(away_mm, kept - 1)[:kept]
        misfit_mm = float(np.sqrt((away_mm[closest] ** 2).mean()))
        settled = abs(misfit_mm - now.misfit_mm) < SETTLED_MM
        now = fit_placement(some[closest], tree.data[nearest[closest]], misfit_mm)
        if settled:
            break
    return now


def fit_placement(points: Points, targets: Points, misfit_mm: float) -> Placement:
    """Returns the rigid movement that takes points to their targets with least squares (Kabsch 1976)."""
    centre, goal = points.mean(axis=0), targets.mean(axis=0)
    turn, _ = Rotation.align_vectors(targets - goal, points - centre)
    return Placement(turn.as_matrix(), goal - turn.as_matrix() @ centre, misfit_mm)
