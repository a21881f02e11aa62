"""Says where on its bone each fragment lies: the row `place` of MEASUREMENTS.

The bone, with its fragments where they lie, is fitted to its mean shape, whose surface landmarks part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from operators.bones.handedness import starts
from operators.bones.reference_shapes import MIRROR, UNPAIRED, ReferenceShape, read_shape
from operators.geometry.surface_fit import Similarity, fit_surface
from operators.geometry.surface_points import surface_points
from operators.measure.measured_bone import MeasuredBone, Rows, without
from operators.packages.structures import PlaceRules, Side
from operators.segmentation.measurements import NotMeasurable, Place

Points = NDArray[np.float64]

# A fragment lies in a place with at least this share of its surface, and in three places at most
LEAST_SHARE, MOST_PLACES = 0.15, 3
POINTS = 1000
# Fragments that lie far from where they belong, or another bone's outline, do not fit
WORST_FIT_MM = 5.0
NO_FIT = NotMeasurable("the bone does not fit the mean shape")
NO_SIDE = NotMeasurable("the side of the bone is not known")
# A body lies in the scanner turned by less than this to the front or back
TILTS_DEG = (-25.0, 0.0, 25.0)


def add_places(bone: MeasuredBone, rows: Rows) -> Rows:
    """Adds the places of each fragment on the bone; leaves intact bones unchanged."""
    rules = bone.structure.places if bone.structure else None
    if rules is None or len(rows) < 2:
        return rows
    return [replace(row, place=place) for row, place in zip(rows, places_of(bone, rules), strict=True)]


def places_of(bone: MeasuredBone, rules: PlaceRules) -> list[Place | NotMeasurable]:
    """Returns where each fragment lies."""
    side, count = bone.structure and bone.structure.side, len(bone.fragments)
    if side is None and bone.fragments[0][0].side_unknown:
        return [NO_SIDE] * count
    side = side or UNPAIRED
    shape = read_shape(rules.shape)[side]
    fit = fit_surface(bone.surface, shape.target, poses(bone, shape))
    if fit.misfit_mm > WORST_FIT_MM:
        return [NO_FIT] * count
    names, owners = parted(rules.shape, side, tuple(rules.landmarks_mm.items()))
    found: list[Place | NotMeasurable] = []
    for (_, row), own in zip(bone.fragments, bone.faces, strict=True):
        points = surface_points(without(row.mesh, own.is_face), POINTS).points
        _, nearest = shape.target.tree.query(fit.of(points))
        found.append(place_of(owners[nearest], names))
    return found


@cache
def parted(
    path: Path, side: Side, landmarks: tuple[tuple[str, tuple[tuple[float, float, float], ...]], ...]
) -> tuple[tuple[str, ...], NDArray[np.int_]]:
    """Returns the names of places, and the number of the place of each point of a mean shape's surface."""
    shapes = read_shape(path)
    turn = np.ones(3) if side == next(iter(shapes)) else MIRROR
    positions = [points for _, points in landmarks]
    owners = nearest_places(shapes[side].target.surface.points * turn, positions)
    return tuple(name for name, _ in landmarks), owners


def nearest_places(
    points: Points, landmarks: Sequence[Sequence[tuple[float, float, float]]]
) -> NDArray[np.int_]:
    """Returns the number of the place that each point (N, 3) is nearest to; `landmarks` are those of each."""
    numbers = [number for number, positions in enumerate(landmarks) for _ in positions]
    _, nearest = cKDTree([position for positions in landmarks for position in positions]).query(points)
    return np.array(numbers)[nearest]


def poses(bone: MeasuredBone, shape: ReferenceShape) -> list[Similarity]:
    """Returns poses from which to fit a bone: about its head where it has one, else as a body lies."""
    points = bone.surface.points
    return (
        starts(points, bone.head, shape)
        if bone.rules
        else as_in_the_body(points, shape.target.surface.points)
    )


def as_in_the_body(points: Points, onto: Points) -> list[Similarity]:
    """Returns poses that keep the body's axes but for a tilt, with middles, upper or lower ends together."""
    found = []
    for tilt_deg, end in product(TILTS_DEG, (np.mean, np.max, np.min)):
        turn = Rotation.from_euler("x", tilt_deg, degrees=True).as_matrix()
        turned = points @ turn.T
        shift = onto.mean(axis=0) - turned.mean(axis=0)
        shift[2] = end(onto[:, 2]) - end(turned[:, 2])
        found.append(Similarity(turn, shift))
    return found


def place_of(owners: NDArray[np.int_], names: tuple[str, ...]) -> Place:
    """Returns the places that hold most of the points whose places are numbered (N,); one at least."""
    shares = np.bincount(owners, minlength=len(names)) / len(owners)
    first, *others = np.argsort(-shares, kind="stable")[:MOST_PLACES]
    order = [first, *(number for number in others if shares[number] >= LEAST_SHARE)]
    return Place(tuple(names[n] for n in order), tuple(float(shares[n]) for n in order))
