"""Poses the parts of a body: seats each bone in its socket, and turns what moves with it about the joint."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from operators.errors import UsageError
from training.recipe_file import JointTable
from training.subjects.meshes import Part, Points, points_of

# Suffixes of paired structures, and the sign of abduction and outward rotation
SIDES = {"_left": 1.0, "_right": -1.0, "": 1.0}
# Rounds in which a bone approaches the centre of its socket: each finds more of the socket's points
ROUNDS = 4
FEWEST_POINTS = 12
# Surfaces have a point in nearly every column of this width
COLUMN_MM = 6.0
# Points of a structure that no part shows, such as the sockets of the body around
Elsewhere = Callable[[str], Points]


def without_side(structure: str) -> str:
    """Returns a structure's name without its suffix for left or right."""
    suffix = next((side for side in SIDES if side and structure.endswith(side)), "")
    return structure.removesuffix(suffix)


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
        return np.zeros(3), sphere_centre(*known, joint.reach_mm)
    if joint.rests:
        return np.zeros(3), np.array([0, 0, -rise_into(socket, ball)])
    shift = np.zeros(3)
    for _ in range(ROUNDS if joint.seated else 0):
        near = ball + shift
        shift = (
            shift + sphere_centre(socket, near, joint.reach_mm) - sphere_centre(near, socket, joint.reach_mm)
        )
    return sphere_centre(ball + shift, socket, joint.reach_mm) - shift, shift


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
    matrix: Points = Rotation.from_euler("zyx", angles, degrees=True).as_matrix()
    return matrix


def sphere_centre(points: Points, others: Points, reach_mm: float) -> Points:
    """Returns the centre of the sphere through those of the points that are near others (least squares).

    Raises UsageError where fewer than FEWEST_POINTS are near.
    """
    apart = cKDTree(others).query(points)[0] if len(others) and len(points) else np.zeros(0)
    near = points[: len(apart)][apart < reach_mm]
    if len(near) < FEWEST_POINTS:
        raise UsageError(f"expected a joint of {FEWEST_POINTS} points within {reach_mm} mm, got {len(near)}")
    unknown = np.column_stack([2 * near, np.ones(len(near))])
    centre: Points = np.linalg.lstsq(unknown, (near**2).sum(axis=1), rcond=None)[0][:3]
    return centre
