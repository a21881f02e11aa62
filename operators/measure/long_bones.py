"""Measures long bones: rows of MEASUREMENTS that put a LongBone on the bone's first segment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import atan2, degrees, hypot
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operators.bones.long_bones import end_square_mm
from operators.measure.measured_bone import MeasuredBone, Rows
from operators.segmentation.measurements import (
    FractureRegion,
    HeadSphere,
    LongBone,
    Measured,
    NotMeasurable,
)

Points = NDArray[np.float64]

NO_HEAD = NotMeasurable("no round head of the bone was found in the scan")
NO_SHAFT = NotMeasurable("too little of the shaft is in view")
NO_NECK = NotMeasurable("the neck is not seen all around")
CUT = NotMeasurable("the bone is cut off by the edge of the scan")
BROKEN = NotMeasurable("the bone is broken")
NO_END = NotMeasurable("the end of the bone near the fracture is not in view")


def head_sphere(bone: MeasuredBone) -> HeadSphere | NotMeasurable:
    """Returns the sphere of the bone's head."""
    if bone.head is None:
        return NO_HEAD
    x, y, z = bone.head.centre.tolist()
    return HeadSphere((x, y, z), Measured(bone.head.radius_mm, bone.head.residual_mm))


def neck_shaft_angle(bone: MeasuredBone) -> Measured | NotMeasurable:
    """Returns the angle in degrees between the axis of the neck and that of the shaft, in three dimensions.

    Its error is that of both axes' ends: half a voxel and the sphere's misfit over the distance of head and
    shaft, the sections' misfit over half their distance.
    """
    if bone.rules is None or bone.head is None:
        return NO_HEAD
    if bone.shaft is None:
        return NO_SHAFT
    if bone.neck is None:
        return NO_NECK
    angle_deg = 180 - degrees(np.arccos(np.clip(bone.neck @ bone.shaft.direction, -1, 1)))
    end_mm = hypot(max(bone.label_map.grid.spacing_mm) / 2, bone.head.residual_mm)
    of_neck = atan2(end_mm, bone.head.radius_mm)
    of_shaft = atan2(bone.shaft.residual_mm, bone.shaft.length_mm / 2)
    return Measured(angle_deg, degrees(hypot(of_neck, of_shaft)))


def bone_length(bone: MeasuredBone) -> Measured | NotMeasurable:
    """Returns the greatest length of an intact bone in view as a whole (Martin & Saller 1957, no. 1)."""
    if bone.is_cut:
        return CUT
    return BROKEN if len(bone.fragments) > 1 else bone.fragments[0][1].diameter_mm


def long_bone_region(bone: MeasuredBone) -> FractureRegion | NotMeasurable | None:
    """Returns the region in which the middle of the fracture lies; None for an intact bone.

    The squares of the AO/OTA classification (J Orthop Trauma 2018;32 Suppl 1) part the ends from the shaft.
    """
    fracture = bone.fracture_lps
    if fracture is None or bone.rules is None:
        return None
    segment = segment_at(bone, fracture)
    if isinstance(segment, NotMeasurable):
        return segment
    head, neck = bone.head, bone.neck
    # How far it lies from the head's centre along the neck, in radii of the head
    along = None if head is None or neck is None else float((head.centre - fracture) @ neck) / head.radius_mm
    rows = (
        row
        for row in bone.rules.regions
        if row.segment == segment
        and (row.along_neck is None or (along is not None and along <= row.along_neck))
    )
    return next((FractureRegion(row.code, row.meaning) for row in rows), NO_NECK)


def segment_at(bone: MeasuredBone, point: Points) -> str | NotMeasurable:
    """Returns the segment of the bone in which a point (3,) lies: head_end, shaft or far_end."""
    line = bone.shaft
    if line is None:
        return NO_HEAD if bone.head is None else NO_SHAFT
    points = bone.surface.points
    heights, (at,) = line.heights_mm(points), line.heights_mm(point[None])
    square_mm = end_square_mm(points, line)
    if heights.max() - at <= square_mm:
        return "head_end"
    if bone.is_cut:
        # The far end is not seen to begin; it is about as large as the other
        return "shaft" if at - heights.min() > square_mm else NO_END
    return "far_end" if at - heights.min() <= end_square_mm(points, line.reversed()) else "shaft"


def add(field: str, measure: Callable[[MeasuredBone], Any], bone: MeasuredBone, rows: Rows) -> Rows:
    """Adds what is measured of a long bone to its first row; leaves other bones unchanged."""
    if bone.rules is None:
        return rows
    known, found = rows[0].long_bone or LongBone(), {field: measure(bone)}
    return [replace(rows[0], long_bone=replace(known, **found)), *rows[1:]]


LONG_BONE_MEASUREMENTS: dict[str, Callable[[MeasuredBone, Rows], Rows]] = {
    "head_sphere": partial(add, "head", head_sphere),
    "neck_shaft_angle": partial(add, "neck_shaft_deg", neck_shaft_angle),
    "bone_length": partial(add, "length_mm", bone_length),
    "long_bone_region": partial(add, "region", long_bone_region),
}
