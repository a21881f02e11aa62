"""Measurements of vertebral bodies in the structured report and in report.json."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
from highdicom.sr import CodedConcept

from app.run.report_segments import measurement_rows
from operators.dicom.sr.measurement_items import whole_bone_evaluations, whole_bone_items
from operators.geometry.meshes import Mesh
from operators.segmentation.measurements import (
    BodyHeights,
    CobbAngle,
    HeightLoss,
    Measured,
    NotMeasurable,
    SegmentMeasurements,
    VertebralBody,
)

SIZE = Measured(1.0)
MESH = Mesh(np.zeros((3, 3), np.float32), np.array([[0, 1, 2]], np.int32))
ROW = SegmentMeasurements(1, SIZE, SIZE, SIZE, MESH)
BODY = VertebralBody(
    heights_mm=BodyHeights(Measured(18.24, 0.5), Measured(20.0, 0.5), Measured(26.0, 0.5)),
    loss=HeightLoss(0.312, 2, "wedge", (3, 5)),
    trabecular_hu=Measured(84.4),
    curve=CobbAngle(Measured(14.26, 3.0), 9),
)


def test_what_was_measured_of_a_body_is_written_with_its_unit() -> None:
    items = whole_bone_items(replace(ROW, vertebral_body=BODY))
    found = {item.name.value: (item.value, item.unit.value) for item in items}
    assert found == {
        "anterior_height": (18.2, "mm"),
        "middle_height": (20.0, "mm"),
        "posterior_height": (26.0, "mm"),
        "height_loss": (31.2, "%"),
        "trabecular_hu": (84.4, "[hnsf'U]"),
        "cobb_angle": (14.3, "deg"),
    }


def test_the_density_says_that_it_is_not_corrected_for_contrast() -> None:
    (density,) = whole_bone_items(replace(ROW, vertebral_body=VertebralBody(trabecular_hu=Measured(84.4))))
    assert density.method is not None
    assert "not corrected for contrast" in density.method.meaning
    assert "Opportunistic" in density.name.meaning


def test_the_grade_is_a_code_and_none_at_grade_0() -> None:
    (grade,) = whole_bone_evaluations(replace(ROW, vertebral_body=BODY))
    assert isinstance(grade.value, CodedConcept)
    assert (grade.value.value, grade.value.meaning) == ("genant_2_wedge", "Grade 2, wedge")
    even = VertebralBody(loss=HeightLoss(0.05, 0, "", (3,)))
    assert whole_bone_evaluations(replace(ROW, vertebral_body=even)) == []


def test_what_cannot_be_measured_is_left_out_of_the_report_and_said_in_json() -> None:
    cut = VertebralBody(heights_mm=NotMeasurable("cut"), loss=NotMeasurable("cut"))
    assert whole_bone_items(replace(ROW, vertebral_body=cut)) == []
    whole = measurement_rows(replace(ROW, vertebral_body=cut))["whole_bone"]
    assert whole["loss"] == {"not_measurable": "cut"}


def test_the_json_holds_every_number() -> None:
    whole = json.loads(json.dumps(measurement_rows(replace(ROW, vertebral_body=BODY))))["whole_bone"]
    assert whole["heights_mm"]["anterior"] == {"value": 18.24, "uncertainty": 0.5}
    assert whole["loss"] == {"share": 0.312, "grade": 2, "form": "wedge", "neighbours": [3, 5]}
    assert whole["curve"]["lower"] == 9
