"""Names a bone or its fragments: the table NAMES, by `names` of package.toml."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from operators.bones.long_bones import Line, end_square_mm
from operators.geometry.spheres import Sphere
from operators.geometry.surface_points import surface_points
from operators.measure.levels.level_names import vertebral_levels
from operators.measure.measured_bone import MeasuredBone, Rows, without
from operators.packages.long_bones import LongBoneRules, PartRule
from operators.packages.structures import SIDES, Side
from operators.segmentation.measurements import Displacement
from operators.segmentation.segmentation import Segment

Points = NDArray[np.float64]

UNKNOWN = "part unknown"
# A fragment is called by every part of which it holds most, or else by the one that makes up most of itself
HELD_SHARE, OWN_SHARE = 0.5, 0.6
# Points on the head's sphere: a surface from voxels of 1.5 mm lies within this distance of the true one
ON_HEAD_MM = 1.5
# A direction of the head needs its centre this far from the shaft's axis
LEAST_OFFSET_MM = 1.5


@dataclass(frozen=True, eq=False)
class EndFrame:
    """The end of a long bone with its head: directions across the shaft to the head and to the front.

    `depth_mm` is that of the end's square below the bone's top at the height `top_mm` along the shaft.
    """

    head: Sphere
    shaft: Line
    to_head: Points
    to_front: Points
    top_mm: float
    depth_mm: float


def from_class(bone: MeasuredBone, rows: Rows) -> list[Segment]:
    """Returns the segments of a bone as they are: fragments are numbered by their size."""
    del rows
    return [segment for segment, _ in bone.fragments]


def neer_parts(bone: MeasuredBone, rows: Rows) -> list[Segment]:
    """Returns the fragments of a bone with the names and colours of the parts that they hold.

    Neer, J Bone Joint Surg Am 1970;52:1077. A fragment of which that cannot be told is called "part unknown".
    """
    segments = from_class(bone, rows)
    if len(segments) < 2 or bone.rules is None or not bone.rules.parts:
        return segments
    frame = end_frame(bone, SIDES.get(segments[0].laterality.value) if segments[0].laterality else None)
    if frame is None:
        return [name_segment(segment, (), None) for segment in segments]
    found = parts_of_fragments(bone, bone.rules, frame)
    named = [
        name_segment(segment, parts, is_displaced(row.displacement, bone.rules))
        for segment, parts, row in zip(segments, found, rows, strict=True)
    ]
    # A colour names one fragment
    firsts = [[other.part for other in named].index(segment.part) for segment in named]
    pairs = enumerate(zip(named, segments, firsts, strict=True))
    return [one if n == first else replace(one, rgb=own.rgb) for n, (one, own, first) in pairs]


def end_frame(bone: MeasuredBone, side: Side | None) -> EndFrame | None:
    """Returns the axes of the end with the head; None where head, shaft or side are not known.

    The head points to the midline, the front is to the left of it on a left bone seen from above.
    """
    if side is None or bone.head is None or bone.shaft is None:
        return None
    offset = bone.shaft.across(bone.head.centre[None])[0]
    offset_mm = float(np.linalg.norm(offset))
    if offset_mm < LEAST_OFFSET_MM:
        return None
    front = np.cross(bone.shaft.direction, offset / offset_mm) * (1 if side == "left" else -1)
    points = bone.surface.points
    top_mm = float(bone.shaft.heights_mm(points).max())
    return EndFrame(
        bone.head, bone.shaft, offset / offset_mm, front, top_mm, end_square_mm(points, bone.shaft)
    )


def parts_of_fragments(
    bone: MeasuredBone, rules: LongBoneRules, frame: EndFrame
) -> list[tuple[PartRule, ...]]:
    """Returns the parts that each fragment of a bone holds."""
    areas = np.array(
        [part_areas_mm2(bone, number, rules.parts, frame) for number in range(len(bone.fragments))]
    )
    # The last column is what belongs to no part
    held = areas[:, :-1] > HELD_SHARE * areas[:, :-1].sum(axis=0)
    own = areas[:, :-1] > OWN_SHARE * areas.sum(axis=1, keepdims=True)
    chosen = np.where(held.any(axis=1, keepdims=True), held, own)
    return [tuple(part for part, kept in zip(rules.parts, row, strict=True) if kept) for row in chosen]


def part_areas_mm2(bone: MeasuredBone, number: int, parts: tuple[PartRule, ...], frame: EndFrame) -> Points:
    """Returns the area of a fragment's own surface in each part, and in none of them."""
    (_, row), faces = bone.fragments[number], bone.faces[number]
    surface = surface_points(without(row.mesh, faces.is_face))
    points = surface.points[~bone.on_border(surface.points)]
    off_mm = np.abs(np.linalg.norm(points - frame.head.centre, axis=1) - frame.head.radius_mm)
    on_head = (off_mm <= ON_HEAD_MM) & ((points - frame.head.centre) @ frame.to_head > 0)
    below = frame.top_mm - frame.shaft.heights_mm(points) > frame.depth_mm
    places = {"head": on_head, "shaft": below & ~on_head, "between": ~on_head & ~below}
    # About the shaft, from the head to the front, 0 to 360
    across = frame.shaft.across(points)
    turns = np.degrees(np.arctan2(across @ frame.to_front, across @ frame.to_head)) % 360
    inside = [
        places[part.place] & (turns >= part.turn_deg[0]) & (turns <= part.turn_deg[1]) for part in parts
    ]
    counts = [np.count_nonzero(each) for each in inside]
    area_mm2 = surface.area_mm2 / len(surface.points)
    return np.array([*counts, len(points) - sum(counts)]) * area_mm2


def is_displaced(moved: Displacement | None, rules: LongBoneRules) -> bool | None:
    """Returns whether a fragment moved so far that it is a displaced part; None if that is not measured."""
    if moved is None or rules.displaced is None:
        return None
    far = moved.translation_mm.value > rules.displaced.distance_mm
    return far or moved.rotation_deg.value > rules.displaced.angle_deg


def name_segment(segment: Segment, parts: tuple[PartRule, ...], displaced: bool | None) -> Segment:
    """Returns a fragment with the names of its parts and the colour of the first."""
    names = " and ".join(part.meaning for part in parts) or UNKNOWN
    label = f"{segment.label} ({names}{', displaced' if displaced else ''})"
    return replace(segment, label=label, part=names, rgb=parts[0].rgb if parts else segment.rgb)


NAMES: dict[str, Callable[[MeasuredBone, Rows], list[Segment]]] = {
    "from_class": from_class,
    "neer_parts": neer_parts,
    "vertebral_levels": vertebral_levels,
}
