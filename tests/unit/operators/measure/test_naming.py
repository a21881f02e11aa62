"""Names of the fragments of a long bone's end, on a bone of solids with two lumps below its head."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from operators.geometry.volume import LabelMap
from operators.measure.measuring import measure_segments
from operators.measure.naming import UNKNOWN, is_displaced
from operators.packages.long_bones import DisplacedPart, PartRule
from operators.packages.packages import Label
from operators.packages.structures import LATERALITY, Side
from operators.segmentation.measurements import Displacement, Measured
from operators.segmentation.segmentation import Segment, Segmentation
from tests.support.bones.synthetic_long_bones import (
    RADIUS_MM,
    RULES,
    capsule,
    draw,
    long_bone,
    long_bone_package,
    neck_top,
)
from tests.support.bones.synthetic_shapes import Points, Solid, points_of
from tests.support.dicom.seg_cases import bone

ANGLE_DEG = 130.0
PARTS = (
    PartRule("head", (1, 0, 0), "head"),
    PartRule("back lump", (2, 0, 0), "between", (165.0, 290.0)),
    PartRule("front lump", (3, 0, 0), "between", (75.0, 155.0)),
    PartRule("shaft", (4, 0, 0), "shaft"),
)
NAMING = replace(RULES, neck="cap", parts=PARTS, displaced=DisplacedPart(10.0, 45.0))
HEAD = neck_top(ANGLE_DEG)
AXIS = HEAD / np.linalg.norm(HEAD)


def lump(turn_deg: float) -> Solid:
    """Returns a lump beside the top of the shaft, at an angle from the head's direction to the front."""
    turn = np.radians(turn_deg)
    at, up = 14 * np.array([np.cos(turn), np.sin(turn), 0.0]), np.array([0.0, 0.0, 1.0])
    return capsule(at - 12 * up, at + 10 * up, 12.0)


BACK, FRONT = lump(220.0), lump(115.0)


def whole(points: Points) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = long_bone(ANGLE_DEG)(points) | BACK(points) | FRONT(points)
    return found


def is_head(points: Points) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (points - HEAD) @ AXIS > -0.5 * RADIUS_MM
    return found


def four_parts(points: Points) -> dict[int, NDArray[np.bool_]]:
    """Returns the shaft, the head and both lumps as the values 11 to 14."""
    bone_here = whole(points)
    head = bone_here & is_head(points)
    back, front = BACK(points) & ~head, FRONT(points) & ~head & ~BACK(points)
    return {11: bone_here & ~head & ~back & ~front, 12: head, 13: back, 14: front}


def drawn_parts(joined: dict[int, int], mirrored: bool = False) -> LabelMap:
    """Returns the four parts under new values; a value that two parts share makes them one fragment."""
    flip = np.array([1.0, -1.0, 1.0]) if mirrored else np.ones(3)
    empty = draw({}, 2.0)
    parts, labels = four_parts(points_of(empty.grid) * flip), empty.labels.copy()
    for old, new in joined.items():
        labels[parts[old]] = new
    return LabelMap(labels, empty.grid)


def named(label_map: LabelMap, side: Side | None) -> list[Segment]:
    laterality = LATERALITY[side] if side else None
    values = [value for value in np.unique(label_map.labels).tolist() if value]
    segments = tuple(
        bone(v, n if len(values) > 1 else None, laterality) for n, v in enumerate(values, start=1)
    )
    package = long_bone_package(())
    (label,) = package.labels
    own = replace(label.structure, long_bone=NAMING, laterality=laterality)
    package = replace(package, labels=(Label(own, 11, 20),), names="neer_parts")
    return list(measure_segments(Segmentation(label_map, segments, package)).segments)


@pytest.mark.parametrize(("side", "mirrored"), [("left", False), ("right", True)])
def test_four_fragments_are_the_four_parts(side: Side, mirrored: bool) -> None:
    found = named(drawn_parts({11: 11, 12: 12, 13: 13, 14: 14}, mirrored), side)
    assert [segment.part for segment in found] == ["shaft", "head", "back lump", "front lump"]
    assert [segment.rgb[0] for segment in found] == [4, 1, 2, 3]
    assert found[2].label.endswith("fragment 3 (back lump)")


def test_a_fragment_of_several_parts_bears_all_their_names() -> None:
    found = named(drawn_parts({11: 11, 12: 12, 13: 12, 14: 12}), "left")
    assert [segment.part for segment in found] == ["shaft", "head and back lump and front lump"]


def test_front_and_back_are_not_told_apart_without_a_side() -> None:
    found = named(drawn_parts({11: 11, 12: 12, 13: 13, 14: 14}), None)
    assert {segment.part for segment in found} == {UNKNOWN}


def test_an_intact_bone_has_no_parts() -> None:
    (segment,) = named(drawn_parts({11: 11, 12: 11, 13: 11, 14: 11}), "left")
    assert segment.part == ""


@pytest.mark.parametrize(
    ("distance_mm", "angle_deg", "displaced"),
    [(9.9, 44.0, False), (10.1, 0.0, True), (0.0, 46.0, True)],
)
def test_a_part_is_displaced_by_distance_or_angle(
    distance_mm: float, angle_deg: float, displaced: bool
) -> None:
    moved = Displacement(Measured(angle_deg), Measured(distance_mm))
    assert is_displaced(moved, NAMING) is displaced
    assert is_displaced(None, NAMING) is None
