"""Poses the parts of a body: seats each bone in its socket, and turns what moves with it about the joint."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import trimesh
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from operators.errors import UsageError
from training.recipe_file import JointTable
from training.subjects.meshes import Part, Points, points_of

# Suffixes of paired structures, and the sign of abduction and outward rotation
SIDES = {"_left": 1.0, "_right": -1.0, "": 1.0}
# Rounds in which a bone approaches the middle of its socket, and how far from the sphere points count then
ROUNDS, WALLS_MM = 12, (20.0, 4.0)
# Greatest cosine between a surface's normal and the direction away from the middle that it faces
FACING = -0.5
FEWEST_POINTS = 12
# Surfaces have a point in nearly every column of this width
COLUMN_MM = 6.0
# Points of a structure that no part shows, such as the sockets of the body around
Elsewhere = Callable[[str], Points]


def posed(
    rng: np.random.Generator, parts: list[Part], joints: Iterable[JointTable], elsewhere: Elsewhere
) -> list[Part]:
    """Returns the parts in a random pose, some of them missing."""
    for joint in joints:
        for suffix, sign in SIDES.items():
            if not len(points_of(parts, joint.ball + suffix)):
                continue
            moves = {name + suffix for name in joint.moves}
            if rng.random() < joint.missing:
                parts = [part for part in parts if part.structure not in moves]
                continue
            centre, shift = centre_and_shift(parts, joint, suffix, elsewhere)
            turn = drawn_turn(rng, joint, sign)
            parts = [p.moved(turn, centre, shift) if p.structure in moves else p for p in parts]
    return parts


def centre_and_shift(
    parts: list[Part], joint: JointTable, suffix: str, elsewhere: Elsewhere
) -> tuple[Points, Points]:
    """Returns a joint's centre, and the shift in mm after which what moves is in its place."""
    ball, socket = points_of(parts, joint.ball + suffix), points_of(parts, joint.socket + suffix)
    if joint.at_origin:
        known = elsewhere(joint.ball + suffix), elsewhere(joint.socket + suffix)
        return np.zeros(3), sphere_through(near_points(*known, joint.reach_mm))[0]
    if joint.rests:
        return np.zeros(3), np.array([0, 0, -rise_into(socket, ball)])
    if not joint.seated:
        return sphere_through(near_points(ball, socket, joint.reach_mm))[0], np.zeros(3)
    centre, radius_mm = rounded_end(ball, np.array(joint.end) * [SIDES[suffix], 1, 1], joint.reach_mm)
    cups = [part for part in parts if part.structure == joint.socket + suffix]
    return centre, middle_of(cups[0], centre, radius_mm + float(np.mean(joint.gap_mm))) - centre


def rounded_end(points: Points, direction: Points, reach_mm: float) -> tuple[Points, float]:
    """Returns centre and radius of the sphere through a bone's outermost points in a direction."""
    tip = points[(points @ direction).argmax()]
    return sphere_through(points[np.linalg.norm(points - tip, axis=1) < reach_mm])


def middle_of(cup: Part, start: Points, radius_mm: float) -> Points:
    """Returns the point near `start` that the hollow surface of a socket surrounds at `radius_mm`.

    Gauss-Newton with a fixed radius, since a shallow socket does not determine its own; only points that face
    the middle count, and at last only those near the sphere.
    """
    normals = trimesh.Trimesh(cup.points, cup.faces, process=False).vertex_normals
    middle = start
    for width_mm in np.linspace(*WALLS_MM, ROUNDS):
        away = cup.points - middle
        apart = np.linalg.norm(away, axis=1)
        toward = away / apart[:, None]
        used = (np.abs(apart - radius_mm) < width_mm) & ((normals * toward).sum(axis=1) < FACING)
        middle = middle + np.linalg.lstsq(toward[used], (apart - radius_mm)[used], rcond=None)[0]
    return middle


def rise_into(below: Points, above: Points) -> float:
    """Returns by how many mm the top of the one rises into the bottom of the other, in any column."""
    low = np.minimum(below[:, :2].min(axis=0), above[:, :2].min(axis=0))
    cells = [((points[:, :2] - low) // COLUMN_MM).astype(int) for points in (below, above)]
    shape = np.maximum(*(cell.max(axis=0) for cell in cells)) + 1
    top, bottom = np.full(shape, -np.inf), np.full(shape, np.inf)
    np.maximum.at(top, tuple(cells[0].T), below[:, 2])
    np.minimum.at(bottom, tuple(cells[1].T), above[:, 2])
    return float((top - bottom).max())


def drawn_turn(rng: np.random.Generator, joint: JointTable, sign: float) -> Points:
    """Returns a rotation matrix (3, 3) within the joint's ranges."""
    flexion, abduction, rotation = (
        float(rng.uniform(*span)) for span in (joint.flexion_deg, joint.abduction_deg, joint.rotation_deg)
    )
    # About the body's axis first, along which the bones of a straight limb lie
    angles = (sign * rotation, -sign * abduction, -flexion)
    return Rotation.from_euler("zyx", angles, degrees=True).as_matrix()


def near_points(points: Points, others: Points, reach_mm: float) -> Points:
    """Returns those of the points that are near others."""
    if not len(points) or not len(others):
        return points[:0]
    return points[cKDTree(others).query(points)[0] < reach_mm]


def sphere_through(points: Points) -> tuple[Points, float]:
    """Returns a sphere's centre and radius by least squares. Raises UsageError below FEWEST_POINTS points."""
    if len(points) < FEWEST_POINTS:
        raise UsageError(f"expected a joint with {FEWEST_POINTS} points on its ball, got {len(points)}")
    unknown = np.column_stack([2 * points, np.ones(len(points))])
    x, y, z, rest = np.linalg.lstsq(unknown, (points**2).sum(axis=1), rcond=None)[0]
    centre = np.array([x, y, z])
    return centre, float(np.sqrt(rest + centre @ centre))
