"""Metrics of bones in a row on cases that can be computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from operators.evaluation.row_evaluation import RowMetrics, evaluate_row, is_identified

STEPS_MM = np.diag([1.0, 1.0, 2.0])
NAMES = {1: "A", 2: "B", 3: "C"}


def column(*blocks: tuple[int, int, int]) -> NDArray[np.uint8]:
    """A column of 4 x 4 x 40 voxels with each value between two heights."""
    labels = np.zeros((4, 4, 40), np.uint8)
    for value, low, high in blocks:
        labels[:, :, low:high] = value
    return labels


# Three bones of 10 voxels (20 mm) with gaps of 2 voxels, from the top down
TRUTH = column((1, 28, 38), (2, 16, 26), (3, 4, 14))


def evaluated(
    prediction: NDArray[np.uint8], names: dict[int, str] | None = None, flagged: bool = False
) -> RowMetrics:
    return evaluate_row(prediction, TRUTH, STEPS_MM, names or NAMES, NAMES, flagged)


def test_the_truth_is_right() -> None:
    found = evaluated(TRUTH)
    assert found.identified == 1.0
    assert found.is_right
    assert (found.doubled, found.skipped, found.shifted, found.false_bones) == (0, 0, 0, 0)
    assert [bone.dice for bone in found.bones] == [1.0, 1.0, 1.0]


def test_a_shorter_outline_has_its_dice_and_is_identified() -> None:
    found = evaluated(column((1, 28, 38), (2, 16, 24), (3, 4, 14)))
    # 8 of 10 levels: 2 * 8 / 18
    assert found.bones[1].dice == pytest.approx(16 / 18)
    assert found.is_right


@pytest.mark.parametrize("flagged", [False, True])
def test_names_shifted_by_one_are_counted_and_a_flag_excuses_them(flagged: bool) -> None:
    found = evaluated(TRUTH, {1: "B", 2: "C", 3: "D"}, flagged)
    assert found.identified == 0.0
    assert not found.is_right
    assert found.shifted == 3
    assert found.shifted_unflagged == (0 if flagged else 3)
    # VerSe's Dice is that of the level; the outlines are perfect
    assert [bone.dice for bone in found.bones] == [0.0, 0.0, 0.0]
    assert [bone.outline_dice for bone in found.bones] == [1.0, 1.0, 1.0]


def test_a_bone_in_two_halves_is_doubled() -> None:
    found = evaluated(column((1, 28, 38), (2, 21, 26), (4, 16, 21), (3, 4, 14)), {**NAMES, 4: "D"})
    assert found.doubled == 1
    assert found.bones[1].called == ("B", "D")
    assert found.bones[1].outline_dice == pytest.approx(10 / 15)
    assert found.shifted == 1
    assert not found.is_right


def test_two_bones_in_one_outline_are_one_skipped() -> None:
    # 8 of 12 levels lie in B, 2 in C, 2 between
    found = evaluated(column((1, 28, 38), (2, 12, 24)))
    assert found.skipped == 1
    assert [bone.identified for bone in found.bones] == [True, True, False]
    assert not found.is_right


def test_a_bone_where_there_is_none_is_false() -> None:
    found = evaluated(column((1, 28, 38), (2, 16, 26), (3, 5, 14), (4, 0, 5)), {**NAMES, 4: "D"})
    assert found.false_bones == 1
    assert not found.is_right


def test_values_without_a_name_are_background() -> None:
    found = evaluated(column((1, 28, 38), (2, 16, 26), (3, 4, 14), (9, 0, 3)))
    assert found.is_right


@pytest.mark.parametrize(
    ("own_mm", "other_mm", "hit"), [(20.0, 30.0, True), (20.1, 30.0, False), (10.0, 9.0, False)]
)
def test_a_bone_is_identified_by_the_rule_of_verse(own_mm: float, other_mm: float, hit: bool) -> None:
    centroids = {"A": np.array([0.0, 0.0, own_mm]), "B": np.array([other_mm, 0.0, 0.0])}
    assert is_identified("A", np.zeros(3), centroids) == hit
    assert not is_identified("C", np.zeros(3), centroids)
