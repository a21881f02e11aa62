"""Measurements of solids with known dimensions."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from operators.geometry.volume import LabelMap
from operators.measure.measuring import MEASUREMENTS, measure_segments
from operators.measure.mirrored_side import measure_displacement
from operators.packages.packages import MEASURABLE
from operators.packages.structures import Code
from operators.segmentation.measurements import SegmentMeasurements
from operators.segmentation.segmentation import Segment, Segmentation
from operators.segmentation.summary import NOTICE, summary
from tests.support.bones.synthetic_shapes import (
    Solid,
    box,
    drawn,
    grid_around,
    left_bone,
    mirrored,
    moved,
    sphere,
)
from tests.support.dicom.seg_cases import LEFT, bone, package

RIGHT = Code("24028007", "SCT", "Right")
TURN_DEG, SHIFT_MM = 7.0, np.array([2.0, -1.0, -5.0])


def rows_of(label_map: LabelMap, *segments: Segment) -> list[SegmentMeasurements]:
    return list(measure_segments(Segmentation(label_map, segments, package())).measurements)


def two_halves(gap_mm: float, tilt_deg: float = 0.0) -> list[SegmentMeasurements]:
    """Blocks of 30 x 30 x 16 mm, one above the other."""
    half = gap_mm / 2
    upper = box((-15, -15, half), (15, 15, half + 16))
    turn = Rotation.from_euler("x", tilt_deg, degrees=True)
    solids = {
        11: box((-15, -15, -half - 16), (15, 15, -half)),
        12: moved(upper, turn, np.array([0.0, -15.0, half]), np.zeros(3)),
    }
    label_map = drawn(grid_around((40, 44, 60), (0.8, 0.8, 1.0)), solids)
    return rows_of(label_map, bone(11, fragment=1), bone(12, fragment=2))


def test_a_sphere_has_its_volume_and_an_error_of_half_a_voxel_around_it() -> None:
    label_map = drawn(grid_around((44, 44, 44), (0.8, 0.8, 1.0)), {11: sphere(18.0)})
    (row,) = rows_of(label_map, bone(11))
    true_mm3 = 4 / 3 * np.pi * 18**3
    assert row.volume_mm3.value == pytest.approx(true_mm3, rel=0.005)
    assert row.volume_mm3.uncertainty == pytest.approx(4 * np.pi * 18**2 * 0.862 / 2, rel=0.03)
    assert row.volume_mm3.uncertainty is not None
    assert abs(row.volume_mm3.value - true_mm3) < row.volume_mm3.uncertainty
    assert row.area_mm2.value == pytest.approx(4 * np.pi * 18**2, rel=0.03)
    assert row.diameter_mm.uncertainty is not None
    assert abs(row.diameter_mm.value - 36) <= row.diameter_mm.uncertainty
    assert (row.gap, row.displacement) == (None, None)


@pytest.mark.parametrize("gap_mm", [4.0, 6.0, 12.0])
def test_two_halves_are_apart_by_their_gap(gap_mm: float) -> None:
    for row in two_halves(gap_mm):
        assert row.gap is not None
        assert row.gap.mean_mm == pytest.approx(gap_mm, abs=0.3)
        assert row.gap.mean_mm <= row.gap.p95_mm <= row.gap.greatest_mm
        assert row.gap.greatest_mm == pytest.approx(gap_mm, abs=2 * row.gap.uncertainty_mm)
        assert 0.8 <= row.gap.uncertainty_mm <= 1.4


def test_a_gap_that_opens_to_one_side_has_its_mean_and_its_greatest_width() -> None:
    tilt_deg = 15.0
    widest_mm = 2 + 30 * np.tan(np.radians(tilt_deg))
    for row in two_halves(2.0, tilt_deg):
        assert row.gap is not None
        assert row.gap.greatest_mm == pytest.approx(widest_mm, abs=1.5)
        assert row.gap.mean_mm == pytest.approx((2 + widest_mm) / 2, abs=1.0)


def test_halves_that_touch_have_no_gap() -> None:
    for row in two_halves(0.0):
        assert row.gap is not None
        assert row.gap.mean_mm < 0.3


def test_halves_farther_apart_than_a_fracture_can_be_have_none_either() -> None:
    assert [row.gap for row in two_halves(25.0)] == [None, None]


def cut(solid: Solid, above: bool) -> Solid:
    """What lies above (or below) a slanting plane through the bone."""
    return lambda points: solid(points) & ((points @ (0.1, 0.2, 1.0) > 2.0) == above)


@cache
def broken_and_intact() -> Segmentation:
    """A left bone whose upper half has moved, and the right one."""
    centre = np.array([45.0, 5.0, 12.0])
    lower, upper = cut(left_bone, above=False), cut(left_bone, above=True)
    turn = Rotation.from_rotvec(np.radians(TURN_DEG) * np.array([0.6, 0.0, 0.8]))
    solids = {11: moved(upper, turn, centre, -SHIFT_MM), 12: lower, 21: mirrored(left_bone)}
    label_map = drawn(grid_around((140, 80, 90), (1.0, 1.0, 1.0)), solids)
    other = replace(bone(21, laterality=RIGHT), bone="right_hip_bone")
    return Segmentation(label_map, (bone(11, fragment=1), bone(12, fragment=2), other), package())


@cache
def measured_scene() -> Segmentation:
    return measure_segments(broken_and_intact())


def test_a_main_fragment_has_its_turn_and_its_way_against_the_mirrored_other_side() -> None:
    made = measured_scene()
    upper, lower, other = made.measurements
    moves = [row.displacement for row in (upper, lower, other) if row.displacement]
    (move,) = moves
    assert move.rotation_deg.value == pytest.approx(TURN_DEG, abs=1.5)
    assert move.translation_mm.value == pytest.approx(float(np.linalg.norm(SHIFT_MM)), abs=2.0)
    assert move.translation_mm.uncertainty is not None
    assert move.translation_mm.uncertainty < 1.5
    # The lower part is measured against the upper one, which has moved the other way round
    assert move.movement is not None
    turn = Rotation.from_rotvec(move.movement.turn_lps_deg, degrees=True)
    shift = np.array(move.movement.shift_lps_mm)
    assert np.linalg.norm(shift) == pytest.approx(move.translation_mm.value)
    assert np.degrees(turn.magnitude()) == pytest.approx(move.rotation_deg.value)
    assert shift @ SHIFT_MM > 0.9 * np.linalg.norm(shift) * np.linalg.norm(SHIFT_MM)


@pytest.mark.parametrize("asked", [(), ("gap",), ("displacement",)])
def test_a_bone_gets_the_measurements_that_its_package_asks_for(asked: tuple[str, ...]) -> None:
    scene = broken_and_intact()
    made = measure_segments(replace(scene, package=replace(scene.package, measurements=asked)))
    assert any(row.gap for row in made.measurements) == ("gap" in asked)
    assert any(row.displacement for row in made.measurements) == ("displacement" in asked)
    assert all(row.volume_mm3.value > 0 for row in made.measurements)


def test_fragments_are_measured_where_a_package_does_not_say() -> None:
    assert package().measurements == ("gap", "displacement", "place")
    assert tuple(MEASUREMENTS) == MEASURABLE


def test_a_piece_that_fits_where_the_main_one_belongs_has_no_displacement() -> None:
    points = np.random.default_rng(1).normal(size=(4000, 3))
    ball = points / np.linalg.norm(points, axis=1, keepdims=True) * (20.0, 12.0, 9.0)
    upper = ball[ball[:, 2] > -2]
    assert measure_displacement(upper, upper[::2] + 0.5, ball) is None
    assert measure_displacement(upper, ball[ball[:, 2] < -3] + 0.5, ball) is not None


def test_without_an_intact_other_side_no_displacement_is_told() -> None:
    alone = broken_and_intact()
    broken = replace(alone.segments[2], fragment=1)
    for segments in (alone.segments[:2], (*alone.segments[:2], broken)):
        made = measure_segments(replace(alone, segments=segments))
        assert not [row for row in made.measurements if row.displacement]


def test_a_label_without_voxels_and_a_single_voxel_do_no_harm() -> None:
    label_map = drawn(grid_around((6, 6, 6), (1.0, 1.0, 1.0)), {11: sphere(1.0)})
    (row,) = rows_of(label_map, bone(11), bone(200, fragment=1))
    assert row.volume_mm3.value >= 1


def test_the_summary_says_what_was_found_of_every_bone_and_what_it_is_for() -> None:
    made = measured_scene()
    left, right, notice = summary(made)
    assert left.startswith("Hip, left: 2 fragments of 1.0 ml, 1.0 ml; gaps of up to")
    assert right == "Hip, right: no fracture found, 1 ml."
    assert notice == NOTICE
    assert LEFT.meaning.lower() in left
