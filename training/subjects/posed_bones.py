"""Subjects whose bones are surfaces: put together, posed, and surrounded by the body of a label map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.errors import UsageError
from training.fracturing.bone import box_of
from training.recipe import without_side
from training.recipe_file import JointTable, PosedBonesTable
from training.sampling import enlarged
from training.subjects.assembly import assembled
from training.subjects.meshes import Part, Points, voxels_inside
from training.subjects.posing import SIDES, posed
from training.subjects.subjects import (
    Subject,
    class_of,
    from_structures,
    skin_distance,
    within_skin_range,
)
from training.subjects.surfaces import edt
from training.subjects.surroundings import (
    Body,
    fitted_places,
    places_at,
    surface_points,
    surround_with_body,
)
from training.subjects.tissues import tissue_of

# Air beside the bones, enough for the soft tissue around them
MARGIN_MM = 90.0
# Poses in which bones cross are drawn again: with so much more in common than before, at this spacing
TRIES, CROSSING_MM3, CHECKED_MM = 40, 1000.0, 4.0
# The skin is smooth, so it is computed at every so manyth voxel
COARSE = 2
# Value of the bones of the body around, more than there are parts
OTHER = 255
SKIN_SMOOTHING_MM = 8.0


@dataclass(frozen=True, eq=False)
class Frame:
    """Where voxels lie: the centre of the first one in mm, their spacing, and their number on each axis."""

    origin_mm: Points
    spacing_mm: float
    shape: tuple[int, ...]


def posed_subject(
    table: PosedBonesTable, data: Path, seed: int, classes: dict[str, list[str]], donor: Body | None
) -> Subject:
    """Draws one body of a row of the recipe, in the body of a label map; the same seed gives the same body.

    Raises UsageError if no pose is found in which bones do not cross.
    """
    rng = np.random.default_rng(seed)
    parts = posed_apart(rng, table, assembled(rng, table, data, partial(points_in, donor)), donor)
    frame = frame_around(table, parts, donor)
    balls = {joint.ball for joint in table.joints}
    # Where a ball crosses its socket the voxels belong to the ball
    ordered = sorted(parts, key=lambda part: without_side(part.structure) in balls)
    own = with_joint_spaces(rng, painted(ordered, frame), table.joints)
    body = surrounded(table, own, frame, classes, donor) if donor else own
    skin = envelope(rng, own, table.flesh_mm)
    trunk = body.structures > max(own.names)
    if table.around and trunk.any():
        skin = np.maximum(skin, skin_distance(trunk, body.spacing_mm, table.around.margin_mm))
    names = {0: "fat", **body.names}
    return from_structures(f"{table.name} {seed}", body.structures, names, classes, body.spacing_mm, skin)


def posed_apart(
    rng: np.random.Generator, table: PosedBonesTable, parts: list[Part], donor: Body | None
) -> list[Part]:
    """Returns the parts in a pose in which no two bones cross."""
    joined = {frozenset((joint.ball, joint.socket)) for joint in table.joints}
    taken = None if donor is None or table.fitted else donor
    # Surfaces of neighbours cross a little as they are
    most_mm3 = CROSSING_MM3 + crossing_mm3(parts, joined, None)
    for _ in range(TRIES):
        drawn = posed(rng, parts, table.joints, partial(points_in, donor))
        if crossing_mm3(drawn, joined, taken) <= most_mm3:
            return drawn
    raise UsageError(f"posed_bones {table.name}: expected a pose without crossing bones, {TRIES} had some")


def points_in(donor: Body | None, structure: str) -> Points:
    """Returns points in mm on the surface of a structure of a body; none if it has none."""
    known = donor is not None and structure in donor.names.values()
    return surface_points(donor, structure) if donor and known else np.zeros((0, 3))


def crossing_mm3(parts: list[Part], joined: set[frozenset[str]], taken: Body | None) -> float:
    """Returns how much bones that no joint joins have in common, with each other and with a body's bones."""
    frame = frame_of(bounds(parts), CHECKED_MM)
    names = [part.structure for part in parts if tissue_of(part.structure).bone]
    owner, common = np.zeros(frame.shape, np.uint8), 0
    if taken:
        hinged = {name for pair in joined for name in pair}
        hard = [v for v, n in taken.names.items() if tissue_of(n).bone and without_side(n) not in hinged]
        at = places_at(frame.shape, frame.spacing_mm, frame.origin_mm, taken)
        there = ndimage.map_coordinates(taken.structures, at, order=0, mode="constant", cval=0)
        owner[np.isin(there, hard)] = OTHER
    for part in parts:
        if part.structure in names:
            may = [n + 1 for n, name in enumerate(names) if joins(part.structure, name, joined)]
            box, inside = voxels_inside(part, frame.origin_mm, CHECKED_MM)
            common += int(np.count_nonzero(inside & ~np.isin(owner[box], [0, *may])))
            owner[box][inside] = names.index(part.structure) + 1
    return float(common * CHECKED_MM**3)


def joins(first: str, second: str, joined: set[frozenset[str]]) -> bool:
    """Returns whether two bones are one or meet in a joint."""
    return first == second or frozenset((without_side(first), without_side(second))) in joined


def bounds(parts: list[Part]) -> Points:
    """Returns the least and the greatest coordinates (2, 3) of all points, in mm."""
    points = np.concatenate([part.points for part in parts])
    return np.stack([points.min(axis=0), points.max(axis=0)])


def frame_of(limits_mm: Points, spacing_mm: float) -> Frame:
    """Returns a frame that covers the limits (2, 3) with two voxels to spare."""
    low, high = limits_mm[0] - 2 * spacing_mm, limits_mm[1] + 2 * spacing_mm
    counts = np.ceil((high - low) / spacing_mm).astype(int) + 1
    return Frame(low, spacing_mm, tuple(counts.tolist()))


def frame_around(table: PosedBonesTable, parts: list[Part], donor: Body | None) -> Frame:
    """Returns the frame of a body: around its parts and, if bones are seated in it, the body around them."""
    limits = bounds(parts) + np.array([[-MARGIN_MM, -MARGIN_MM, 0], [MARGIN_MM, MARGIN_MM, table.above_mm]])
    if donor and not table.fitted:
        whole = np.array([[0, 0, 0], np.array(donor.structures.shape) * donor.spacing_mm])
        limits = np.stack([np.minimum(limits[0], whole[0]), np.maximum(limits[1], whole[1])])
    return frame_of(limits, table.spacing_mm)


def painted(parts: list[Part], frame: Frame) -> Body:
    """Returns the label map of the parts; where two have voxels in common, the later part has them."""
    names = list(dict.fromkeys(part.structure for part in parts))
    structures = np.zeros(frame.shape, np.uint8)
    for part in parts:
        box, inside = voxels_inside(part, frame.origin_mm, frame.spacing_mm)
        structures[box][inside] = names.index(part.structure) + 1
    return Body(structures, dict(enumerate(names, start=1)), frame.spacing_mm)


def with_joint_spaces(rng: np.random.Generator, body: Body, joints: tuple[JointTable, ...]) -> Body:
    """Returns the body with joint spaces: a socket recedes where it is nearer to its ball."""
    structures, values = body.structures.copy(), {n: v for v, n in body.names.items()}
    for joint in joints:
        gap_mm = rng.uniform(*joint.gap_mm)
        for suffix in SIDES:
            ball, socket = (values.get(name + suffix) for name in (joint.ball, joint.socket))
            if gap_mm and ball and socket:
                box = box_of(structures == ball, int(np.ceil(gap_mm / body.spacing_mm)))
                near = edt(structures[box] != ball, body.spacing_mm) < gap_mm
                structures[box][near & (structures[box] == socket)] = 0
    return replace(body, structures=structures)


def surrounded(
    table: PosedBonesTable, own: Body, frame: Frame, classes: dict[str, list[str]], donor: Body
) -> Body:
    """Returns the bones with the donor around them, without those of its bones that these replace."""
    learned = {class_of(name, classes) for name in own.names.values() if tissue_of(name).bone}
    dropped = {name for name in donor.names.values() if class_of(name, classes) in learned - {0}}
    moved = {name + side for joint in table.joints for name in joint.moves for side in SIDES}
    if table.fitted:
        at = fitted_places(own, donor, set(own.names.values()) - moved)
    else:
        at = places_at(frame.shape, frame.spacing_mm, frame.origin_mm, donor)
    return surround_with_body(own, donor, dropped, at)


def envelope(
    rng: np.random.Generator, bones: Body, flesh_mm: Mapping[str, tuple[float, float]]
) -> NDArray[np.int8]:
    """Returns the signed distance in mm to the skin: soft tissue of random thickness on each bone."""
    step_mm, coarse = bones.spacing_mm * COARSE, bones.structures[::COARSE, ::COARSE, ::COARSE]
    skin = np.full(coarse.shape, -2 * MARGIN_MM, np.float32)
    for pattern, span in flesh_mm.items():
        thick_mm = rng.uniform(*span)
        values = [value for value, name in bones.names.items() if fnmatch(name, pattern)]
        there = np.isin(coarse, values)
        if there.any():
            np.maximum(skin, thick_mm - edt(~there, step_mm).astype(np.float32), out=skin)
    smooth = ndimage.gaussian_filter(skin, SKIN_SMOOTHING_MM / step_mm)
    return within_skin_range(enlarged(smooth, bones.structures.shape, COARSE))
