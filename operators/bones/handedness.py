"""Decides from the shape of a single bone whether it is a left or a right one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from operators.bones.reference_shapes import ReferenceShape
from operators.geometry.spheres import Sphere
from operators.geometry.surface_fit import Similarity, fit_surface
from operators.geometry.surface_points import SurfacePoints
from operators.packages.structures import Side

Points = NDArray[np.float64]

# Noise of a surface from voxels, and of what people differ in: below it, fits are alike
NOISE_MM = 0.7
# Log-odds of a side for each unit of the logarithm of both fits' variances
ODDS = 8.0
# A side is stated from this probability, and against the trunk in view from a higher one
SURE, SURE_AGAINST_TRUNK = 0.95, 0.99
# Outlines that bulge by 2 mm still fit to 1.8 mm, whole or in part (`benchmarks.long_bones`). A worse fit is
# of another bone, of a bone that is broken apart, or of an outline too rough to tell sides
WORST_FIT_MM = 2.0
# Starts: turns about the long axis, and places along it so far apart; turns about the head where it is known
TURNS, PLACE_MM, HEAD_TURNS = 12, 60.0, 150
# A bone of at least this share of the mean one's length is in view as a whole
WHOLE_SHARE = 0.85


@dataclass(frozen=True, eq=False)
class Handedness:
    """The probability that a bone is a left one, and its best fits to the mean left and right bone."""

    left: float
    fits: Mapping[Side, Similarity]

    @property
    def likelier(self) -> Side:
        """The side that fits better."""
        return "left" if self.left >= 0.5 else "right"

    @property
    def fit(self) -> Similarity:
        """The better of both fits."""
        return self.fits[self.likelier]

    def side(self, least: float = SURE) -> Side | None:
        """Returns the side if it is at least so probable; None where both fit alike, or neither fits."""
        sure = max(self.left, 1 - self.left) >= least
        return self.likelier if sure and self.fit.misfit_mm <= WORST_FIT_MM else None


def handedness(
    surface: SurfacePoints, head: Sphere | None, shapes: Mapping[Side, ReferenceShape]
) -> Handedness:
    """Compares a bone, or a part of one, with the mean bones of both sides, in any pose."""
    fits = {
        side: fit_surface(surface, shape.target, starts(surface.points, head, shape))
        for side, shape in shapes.items()
    }
    left, right = (fits[side].misfit_mm ** 2 + NOISE_MM**2 for side in ("left", "right"))
    return Handedness(float(1 / (1 + (left / right) ** ODDS)), fits)


def starts(points: Points, head: Sphere | None, shape: ReferenceShape) -> list[Similarity]:
    """Returns poses from which to fit points (N, 3): about the head, or else along the long axis."""
    if head is not None and shape.head is not None:
        centre, _ = shape.head
        turns = Rotation.random(HEAD_TURNS, random_state=0).as_matrix()
        return [Similarity(turn, centre - turn @ head.centre) for turn in turns]
    return along_axis(points, shape.target.surface.points)


def along_axis(points: Points, onto: Points) -> list[Similarity]:
    """Returns poses with both long axes on one line, either way round, in several places along it."""
    (middle, axes, length_mm), (goal, goal_axes, goal_mm) = long_axis(points), long_axis(onto)
    reach_mm = max(goal_mm - length_mm, 0.0) / 2
    count = 1 if length_mm >= WHOLE_SHARE * goal_mm else max(2, round(2 * reach_mm / PLACE_MM) + 1)
    places = np.linspace(-reach_mm, reach_mm, count) if count > 1 else np.zeros(1)
    found = []
    for flip in (1.0, -1.0):
        for angle in np.arange(TURNS) * 2 * np.pi / TURNS:
            roll = Rotation.from_rotvec([angle, 0.0, 0.0]).as_matrix() @ np.diag([flip, flip, 1.0])
            turn = goal_axes.T @ roll @ axes
            found += [Similarity(turn, goal + at * goal_axes[0] - turn @ middle) for at in places]
    return found


def long_axis(points: Points) -> tuple[Points, Points, float]:
    """Returns the middle of points (N, 3) along their long axis, right-handed axes (rows), and the length."""
    mean = points.mean(axis=0)
    axes = np.linalg.svd(points - mean, full_matrices=False)[2]
    axes[2] = np.cross(axes[0], axes[1])
    heights = (points - mean) @ axes[0]
    return mean + (heights.max() + heights.min()) / 2 * axes[0], axes, float(np.ptp(heights))
