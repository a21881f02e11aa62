"""Evaluation metrics on cases that can be computed by hand."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from operators.errors import UnsuitableError
from operators.evaluation.case_evaluation import evaluate
from operators.evaluation.metrics import CaseMetrics, EvaluatedBone

LEFT, RIGHT = EvaluatedBone("left", range(1, 11)), EvaluatedBone("right", range(11, 21))
BONES = (LEFT, RIGHT)
CUBE_MM = np.eye(3)
DATA = Path(__file__).parents[5] / "shared" / "data" / "pelvis"
FOLDERS = {"SA": 0, "LI": 10, "RI": 20}


def blocks(*parts: tuple[int, slice, slice, slice]) -> NDArray[np.uint8]:
    """A 24 x 16 x 16 map with each value filling its block."""
    labels = np.zeros((24, 16, 16), dtype=np.uint8)
    for value, *block in parts:
        labels[tuple(block)] = value
    return labels


def bar(value: int, start: int, stop: int) -> tuple[int, slice, slice, slice]:
    return value, slice(start, stop), slice(4, 12), slice(4, 12)


def compare(prediction: NDArray[np.uint8], truth: NDArray[np.uint8]) -> CaseMetrics:
    return evaluate(prediction, truth, CUBE_MM, BONES)


BROKEN = blocks(bar(1, 2, 12), bar(2, 12, 22))


def test_a_prediction_equal_to_the_truth_scores_one_everywhere_and_zero_mm() -> None:
    metrics = compare(BROKEN, BROKEN)
    assert metrics.anatomy.iou == metrics.fragment.iou == metrics.fractured_iou == metrics.local_dice == 1
    assert metrics.anatomy.hd95_mm == metrics.fragment.hd95_mm == metrics.fragment.assd_mm == 0
    assert metrics.detection.recall == metrics.detection.precision == metrics.detection.f1 == 1
    assert (metrics.merges, metrics.splits, metrics.false_fragments) == (0, 0, 0)


def test_a_cube_shifted_by_two_of_eight_voxels_has_iou_six_tenths_and_hd95_of_the_shift() -> None:
    truth, moved = blocks(bar(1, 4, 12)), blocks(bar(1, 6, 14))
    metrics = compare(moved, truth)
    assert metrics.anatomy.iou == pytest.approx(6 / 10)
    assert metrics.anatomy.hd95_mm == pytest.approx(2)
    assert metrics.local_dice is None
    assert metrics.fractured_iou is None


def test_the_mean_surface_distance_of_two_plates_is_their_gap() -> None:
    truth, moved = (
        blocks((1, slice(4, 5), slice(16), slice(16))),
        blocks((1, slice(4, 6), slice(16), slice(16))),
    )
    # Every truth voxel is in the prediction; half of the prediction's lie 1 mm away.
    assert compare(moved, truth).anatomy.assd_mm == pytest.approx((0 + 0.5) / 2)


@pytest.mark.parametrize(("axis", "expected_mm"), [(0, 1.0), (1, 1.6), (2, 6.0)])
def test_a_shift_of_two_voxels_counts_in_mm_of_its_own_axis(axis: int, expected_mm: float) -> None:
    truth = blocks((1, slice(6, 14), slice(4, 10), slice(4, 10)))
    metrics = evaluate(np.roll(truth, 2, axis), truth, np.diag([0.5, 0.8, 3.0]), BONES)
    assert metrics.anatomy.hd95_mm == pytest.approx(expected_mm)


def test_a_sheared_grid_is_measured_in_patient_space() -> None:
    truth = blocks((1, slice(6, 7), slice(4, 5), slice(4, 5)))
    sheared = np.array([[1.0, 0, 0], [0, 1, 1], [0, 0, 3.0]])
    metrics = evaluate(blocks((1, slice(6, 7), slice(4, 5), slice(4, 6))), truth, sheared, BONES)
    assert metrics.anatomy.hd95_mm == pytest.approx(np.percentile([0, np.sqrt(10)], 95))


def test_a_broken_bone_left_whole_is_a_merge_and_scores_the_baseline() -> None:
    metrics = compare(blocks(bar(1, 2, 22)), BROKEN)
    assert metrics.anatomy.iou == 1
    assert metrics.fractured_iou == metrics.whole_iou == pytest.approx(0.5)
    assert (metrics.merges, metrics.splits) == (1, 0)
    assert (metrics.detection.found, metrics.detection.true_fragments) == (1, 2)
    assert metrics.detection.precision == 1
    # One of two shares the predicted fragment: all of the bone is within 20 mm of its fracture.
    assert metrics.local_dice == pytest.approx(2 / 3)


def test_a_third_predicted_fragment_costs_no_challenge_figure_but_precision_and_a_split() -> None:
    metrics = compare(blocks(bar(1, 2, 11), bar(3, 11, 12), bar(2, 12, 22)), BROKEN)
    assert metrics.fragment.iou == pytest.approx((9 / 10 + 1) / 2)
    assert (metrics.splits, metrics.merges, metrics.false_fragments) == (1, 0, 0)
    assert metrics.detection.precision == pytest.approx(2 / 3)
    assert metrics.detection.recall == 1


def test_an_intact_bone_cut_in_two_counts_a_false_fragment() -> None:
    metrics = compare(BROKEN, blocks(bar(1, 2, 22)))
    assert metrics.false_fragments == 1
    assert metrics.splits == 1
    assert metrics.fractured_iou is None


def test_a_fragment_without_any_common_voxel_costs_twice_its_radius_and_its_radius() -> None:
    truth = blocks((1, slice(2, 7), slice(8, 9), slice(8, 9)), (2, slice(12, 22), slice(8, 9), slice(8, 9)))
    metrics = compare(blocks((2, slice(12, 22), slice(8, 9), slice(8, 9))), truth)
    missed = metrics.bones[0].fragments[0]
    assert missed.matched_value is None
    assert (missed.agreement.iou, missed.agreement.hd95_mm, missed.agreement.assd_mm) == (0, 4, 2)
    assert not missed.found


def test_the_radius_of_a_missed_fragment_is_in_mm() -> None:
    truth = blocks((1, slice(2, 7), slice(8, 9), slice(8, 9)))
    metrics = evaluate(np.zeros_like(truth), truth, np.diag([3.0, 1, 1]), BONES)
    assert metrics.anatomy.hd95_mm == 12


def test_an_empty_prediction_scores_zero_without_an_error() -> None:
    metrics = compare(np.zeros_like(BROKEN), BROKEN)
    assert metrics.anatomy.iou == metrics.fragment.iou == metrics.fractured_iou == metrics.local_dice == 0
    assert metrics.detection.recall == metrics.detection.precision == metrics.detection.f1 == 0
    assert np.isfinite(metrics.anatomy.hd95_mm)


def test_a_fragment_is_never_matched_across_bones() -> None:
    metrics = compare(blocks(bar(11, 2, 12)), blocks(bar(1, 2, 12)))
    assert metrics.anatomy.iou == 0
    assert metrics.absent_bones == ("right",)
    assert metrics.detection.predicted_fragments == 1


def test_bones_that_the_truth_does_not_show_are_not_averaged() -> None:
    metrics = compare(blocks(bar(1, 2, 12), bar(11, 14, 20)), blocks(bar(1, 2, 12)))
    assert metrics.anatomy.iou == 1
    assert metrics.detection.precision == 0.5


def test_a_truth_without_any_bone_is_refused() -> None:
    with pytest.raises(UnsuitableError):
        compare(BROKEN, np.zeros_like(BROKEN))


def test_fragments_that_lie_apart_face_no_fracture() -> None:
    apart = blocks(bar(1, 2, 9), bar(2, 14, 22))
    assert compare(apart, apart).local_dice is None


def test_only_what_lies_within_20_mm_of_the_fracture_counts_for_the_local_dice() -> None:
    truth, spacing = blocks(bar(1, 2, 12), bar(2, 12, 22)), np.diag([4.0, 1, 1])
    prediction = truth.copy()
    prediction[2] = 0
    assert evaluate(prediction, truth, spacing, BONES).local_dice == 1
    prediction[11] = 2
    dice = evaluate(prediction, truth, spacing, BONES).local_dice
    assert dice is not None
    assert dice < 1


def test_permuted_fragment_labels_change_nothing() -> None:
    swapped = np.where(BROKEN > 0, 3 - BROKEN, 0).astype(np.uint8)
    assert compare(swapped, BROKEN).fragment.iou == 1


@pytest.mark.parametrize("direction", [1, -1])
def test_equal_distances_are_equal_whatever_the_direction_of_axes(direction: int) -> None:
    truth, prediction = (np.zeros((14, 7, 6), np.uint8) for _ in range(2))
    truth[2:4, 1:5, 1:4] = 1
    truth[0, 1, 1] = truth[13, 1, 1] = 2
    # Both overlap the fragment by a third, 0.7 mm away; the first has a voxel 1 mm beside it
    prediction[1:3, 1:5, 1:4] = 1
    prediction[3:5, 1:5, 1:4] = 2
    prediction[1, 1, 1], prediction[1, 5, 2] = 0, 1
    found = evaluate(prediction[::direction], truth[::direction], np.diag([0.7, 1.0, 2.5]), BONES)
    assert found.bones[0].fragments[0].matched_value == 2


def comparable(metrics: CaseMetrics) -> list[float]:
    """What must not hang on the fragments' numbers or the array's direction."""
    detection = metrics.detection
    agreements = [metrics.anatomy, metrics.fragment]
    measured = [value for each in agreements for value in (each.iou, each.hd95_mm, each.assd_mm)]
    means = [metrics.fractured_iou or 0, metrics.whole_iou or 0]
    counts = [metrics.merges, metrics.splits, metrics.false_fragments]
    return [*measured, *means, *counts, detection.recall, detection.precision, detection.f1]


@st.composite
def bones(draw: st.DrawFn) -> NDArray[np.uint8]:
    """A bar of one to four pieces, cut anywhere, with a few voxels of noise."""
    labels = np.zeros((12, 6, 5), dtype=np.uint8)
    cuts = sorted(draw(st.lists(st.integers(2, 10), max_size=3, unique=True)))
    for value, (start, stop) in enumerate(zip([1, *cuts], [*cuts, 11], strict=True), 1):
        labels[start:stop, 1:5, 1:4] = value
    for voxel in draw(st.lists(st.tuples(*(st.integers(0, n - 1) for n in labels.shape)), max_size=8)):
        labels[voxel] = draw(st.integers(0, 4))
    labels[6, 3, 3] = 1
    return labels


@settings(max_examples=25)
@given(
    bones(),
    bones(),
    st.permutations([1, 2, 3, 4]),
    st.permutations([1, 2, 3, 4]),
    st.tuples(*[st.booleans()] * 3),
)
def test_no_figure_hangs_on_the_numbers_of_fragments_or_the_direction_of_axes(
    prediction: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    numbers: list[int],
    true_numbers: list[int],
    flips: tuple[bool, ...],
) -> None:
    steps_mm = np.diag([0.7, 1.0, 2.5])
    axes = [axis for axis, flip in enumerate(flips) if flip]
    renamed = [
        np.flip(np.array([0, *n], dtype=np.uint8)[a], tuple(axes))
        for n, a in ((numbers, prediction), (true_numbers, truth))
    ]
    before, after = (
        evaluate(prediction, truth, steps_mm, BONES),
        evaluate(renamed[0], renamed[1], steps_mm, BONES),
    )
    assert comparable(after) == pytest.approx(comparable(before))


@pytest.mark.real_data
def test_real_broken_bones_left_whole_score_a_third_to_a_half() -> None:
    patient = "003"
    maps = {bone: nibabel.load(DATA / patient / f"{patient}_{bone}_mask.nii.gz") for bone in FOLDERS}
    truth = np.zeros(maps["SA"].shape, dtype=np.uint8)
    whole = np.zeros_like(truth)
    for bone, offset in FOLDERS.items():
        values = np.asanyarray(maps[bone].dataobj).astype(np.uint8)
        truth[values > 0] = values[values > 0] + offset
        whole[values > 0] = 1 + offset
    steps_mm = maps["SA"].affine[:3, :3]
    named = [EvaluatedBone(bone, range(offset + 1, offset + 11)) for bone, offset in FOLDERS.items()]
    metrics = evaluate(whole, truth, steps_mm, named)
    assert metrics.anatomy.iou == 1
    assert metrics.whole_iou is not None
    assert 0.3 < metrics.whole_iou < 0.6
    assert metrics.fractured_iou == pytest.approx(metrics.whole_iou)
    assert metrics.merges == sum(bone.fractured for bone in metrics.bones)
    assert metrics.local_dice is not None
    assert metrics.local_dice < 0.8
