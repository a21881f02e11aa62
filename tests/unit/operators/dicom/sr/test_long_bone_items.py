"""Measurements of long bones in the structured report."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from highdicom.sr import CodedConcept

from operators.dicom.sr.measurement_items import whole_bone_evaluations, whole_bone_items
from operators.geometry.meshes import Mesh
from operators.segmentation.measurements import (
    FractureRegion,
    HeadSphere,
    LongBone,
    Measured,
    NotMeasurable,
    SegmentMeasurements,
)

SIZE = Measured(1.0)
MESH = Mesh(np.zeros((3, 3), np.float32), np.array([[0, 1, 2]], np.int32))
ROW = SegmentMeasurements(1, SIZE, SIZE, SIZE, MESH)
BONE = LongBone(
    head=HeadSphere((1.0, 2.0, 3.0), Measured(23.45, 0.4)),
    neck_shaft_deg=Measured(126.04, 2.0),
    length_mm=NotMeasurable("the bone is broken"),
    region=FractureRegion("31A", "trochanteric"),
)


def test_what_was_measured_is_written_with_its_unit_and_the_rest_left_out() -> None:
    radius, angle = whole_bone_items(replace(ROW, long_bone=BONE))
    assert (radius.name.value, radius.value, radius.unit.value) == ("head_radius", 23.4, "mm")
    assert (angle.name.value, angle.value, angle.unit.value) == ("neck_shaft_angle", 126.0, "deg")


def test_the_region_is_a_code() -> None:
    (region,) = whole_bone_evaluations(replace(ROW, long_bone=BONE))
    code = region.value
    assert isinstance(code, CodedConcept)
    assert (code.value, code.meaning) == ("31A", "trochanteric")


def test_other_bones_have_neither() -> None:
    assert whole_bone_items(ROW) == []
    assert whole_bone_evaluations(ROW) == []
    unknown = LongBone(region=NotMeasurable("the head of the bone is not in view"))
    assert whole_bone_evaluations(replace(ROW, long_bone=unknown)) == []
