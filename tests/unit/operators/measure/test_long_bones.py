"""Measurements of long bones made of simple solids, whose axes are known."""

from __future__ import annotations

import numpy as np
import pytest

from operators.geometry.volume import LabelMap
from operators.measure.measuring import measure_segments
from operators.packages.packages import MEASURABLE
from operators.segmentation.measurements import HeadSphere, LongBone, Measured, NotMeasurable
from operators.segmentation.segmentation import Segmentation
from operators.segmentation.summary import summary
from tests.support.bones.synthetic_long_bones import (
    LENGTH_MM,
    RADIUS_MM,
    broken,
    cut_below,
    draw,
    long_bone,
    long_bone_package,
    neck_top,
    whole_bone,
)
from tests.support.dicom.seg_cases import bone

ANGLES_DEG = (115.0, 130.0, 140.0)


def segmentation_of(label_map: LabelMap, asked: tuple[str, ...] = MEASURABLE) -> Segmentation:
    values = [value for value in np.unique(label_map.labels).tolist() if value]
    segments = [bone(v, fragment=n if len(values) > 1 else None) for n, v in enumerate(values, start=1)]
    made = Segmentation(label_map, tuple(segments), long_bone_package(asked))
    return measure_segments(made)


def measured(label_map: LabelMap, asked: tuple[str, ...] = MEASURABLE) -> LongBone:
    first, *others = segmentation_of(label_map, asked).measurements
    assert first.long_bone is not None
    assert all(row.long_bone is None for row in others)
    return first.long_bone


@pytest.mark.parametrize("angle_deg", ANGLES_DEG)
def test_a_whole_bone_has_its_head_its_angle_and_its_length(angle_deg: float) -> None:
    found = measured(whole_bone(angle_deg))
    assert isinstance(found.head, HeadSphere)
    assert found.head.radius_mm.value == pytest.approx(RADIUS_MM, abs=0.5)
    assert found.head.centre_lps == pytest.approx(neck_top(angle_deg), abs=0.5)
    assert isinstance(found.neck_shaft_deg, Measured)
    assert found.neck_shaft_deg.value == pytest.approx(angle_deg, abs=2.5)
    assert isinstance(found.length_mm, Measured)
    assert LENGTH_MM - 1 <= found.length_mm.value <= LENGTH_MM * 1.05
    assert found.region is None


def test_a_bone_cut_by_the_scan_has_its_angle_but_no_length() -> None:
    found = measured(cut_below(whole_bone(), -90.0))
    assert isinstance(found.neck_shaft_deg, Measured)
    assert found.neck_shaft_deg.value == pytest.approx(130.0, abs=2.5)
    assert found.length_mm == NotMeasurable("the bone is cut off by the edge of the scan")


def test_a_head_without_a_shaft_has_no_angle() -> None:
    found = measured(cut_below(whole_bone(), -20.0))
    assert isinstance(found.head, HeadSphere)
    assert found.neck_shaft_deg == NotMeasurable("too little of the shaft is in view")


def test_a_shaft_without_its_head_has_neither() -> None:
    label_map = whole_bone()
    label_map = LabelMap(label_map.labels[:, :, ::-1], label_map.grid)
    found = measured(cut_below(label_map, -60.0))
    assert isinstance(found.head, NotMeasurable)
    assert isinstance(found.neck_shaft_deg, NotMeasurable)


def test_a_fracture_near_an_end_that_is_not_in_view_has_no_region() -> None:
    upper, lower = broken(long_bone(130.0), np.array([0.0, 0.0, -80.0]), np.array([0.0, 0.0, 1.0]))
    found = measured(cut_below(draw({11: upper, 12: lower}), -110.0))
    assert isinstance(found.region, NotMeasurable)


def test_only_what_a_package_asks_for_is_measured() -> None:
    found = measured(whole_bone(), ("bone_length",))
    assert isinstance(found.length_mm, Measured)
    assert (found.head, found.neck_shaft_deg, found.region) == (None, None, None)


def test_the_summary_says_what_was_measured_and_what_was_not() -> None:
    (sentence, *_) = summary(segmentation_of(cut_below(whole_bone(), -90.0)))
    assert "neck-shaft angle: 1" in sentence
    assert sentence.endswith("length: not measurable, the bone is cut off by the edge of the scan.")
