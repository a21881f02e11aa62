"""Metrics of fractures found in radiographs, against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from operators.radiographs.detections import Decoding, detections
from training.radiograph.metrics import (
    Found,
    auc,
    average_precision,
    balanced_point,
    compare,
    interval,
    outline_fit,
    sensitivity,
)


def found(scores: list[float], overlaps: list[list[float]], fractures: int = 1) -> Found:
    values = np.array(overlaps, float).reshape(len(scores), fractures)
    return Found(np.array(scores, float), values, values > 0.1)


def test_average_precision_of_two_right_and_one_wrong() -> None:
    # By score: right (1/1), wrong (1/2), right (2/3) of 4 fractures: recall 1/4 at 1, 1/2 at 2/3
    images = [found([0.9], [[0.7]]), found([0.8], [[0.3]]), found([0.7], [[0.6]]), found([], [])]
    expected = (26 * 1 + 25 * 2 / 3) / 101
    assert average_precision(images) == pytest.approx(expected)


def test_a_fracture_is_found_only_once() -> None:
    one = found([0.9, 0.8], [[0.6], [0.9]])
    assert average_precision([one, found([0.5], [[0.9]])]) == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_average_precision_without_detections_and_without_fractures() -> None:
    assert average_precision([found([], [])]) == 0
    assert np.isnan(average_precision([found([0.5], [], 0)]))


def test_sensitivity_counts_false_detections_of_all_images() -> None:
    fractured = [found([0.9, 0.4], [[0.7], [0]]), found([0.3], [[0.6]])]
    images = [*fractured, found([0.8], [], 0), found([0.2], [], 0)]
    assert sensitivity(images, 0) == 0.5
    assert sensitivity(images, 0.5) == 1
    assert sensitivity([found([], [], 2)], 0.5) == 0


def test_auc_counts_pairs_and_half_of_ties() -> None:
    scores, true = np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, False, True, True])
    assert auc(scores, true) == pytest.approx(3.5 / 4)
    assert np.isnan(auc(scores, np.ones(4, bool)))


def test_balanced_point() -> None:
    scores = np.array([1, 2, 3, 4, 5, 6, 7, 8.0])
    true = np.array([False, False, False, True, False, True, True, True])
    accuracy, threshold = balanced_point(scores, true)
    assert accuracy == pytest.approx(6 / 8)
    assert threshold in (5, 4)


def test_interval_holds_the_mean_and_narrows_with_more_images() -> None:
    values = np.random.default_rng(1).normal(3, 1, 400)
    few = interval(lambda at: float(values[:25][at].mean()), 25)
    many = interval(lambda at: float(values[at].mean()), 400)
    assert few[0] < 3 < few[1]
    assert many[0] < 3 < many[1]
    assert many[1] - many[0] < 0.5 * (few[1] - few[0])


def test_detections_are_connected_parts_that_score_their_mean() -> None:
    probabilities = np.zeros((40, 30), np.float32)
    probabilities[5:10, 5:10] = 0.4
    probabilities[7, 8] = 0.9
    probabilities[20:30, 20:25] = 0.5
    probabilities[35, 2] = 0.9
    true = np.zeros((40, 30), bool)
    true[5:10, 5:12] = True
    one, other = detections(probabilities, Decoding(0.3))
    assert one.score == pytest.approx((24 * 0.4 + 0.9) / 25)
    assert one.peak == (7, 8)
    assert other.mask.sum() == 50
    assert detections(probabilities, Decoding(0.3, share=0.5))[0].mask.sum() == 50
    grown = detections(probabilities, Decoding(0.3, dilation=6))
    assert (grown[0].score, grown[0].peak, grown[0].box) == (one.score, one.peak, np.s_[0:16, 0:16])
    assert grown[0].mask[9, 15]
    assert not grown[0].mask[14, 14]
    result = compare([one, other], [true])
    assert result.overlaps.ravel().tolist() == pytest.approx([25 / 35, 0])
    assert result.hits.ravel().tolist() == [True, False]


def test_the_fit_of_outlines_counts_those_that_nearly_overlap_by_half() -> None:
    fits = [outline_fit([found([0.9], [[overlap]])]) for overlap in (0.39, 0.48, 0.7)]
    assert fits == pytest.approx([0, 0.4, 1])
