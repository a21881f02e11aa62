"""Conditioning channels drawn for training, with a coarse network's errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from training.simulate.conditioning import ConditioningRules, draw_conditioning
from training.subjects.subjects import NOT_OURS

FAULTLESS = ConditioningRules(
    shift_mm=0, bend_mm=0, blur_mm=(0.5, 0.5), misnamed=0, missing=0, class_missing=0
)


def two_bones() -> NDArray[np.uint8]:
    target = np.zeros((24, 20, 22), np.uint8)
    target[2:10, 4:16, 4:18], target[13:22, 4:16, 4:18] = 1, 2
    return target


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000))
def test_conditioning_channels_give_each_class_a_share_and_the_background_the_rest(seed: int) -> None:
    channels = draw_conditioning(np.random.default_rng(seed), two_bones(), 4, 1.5, ConditioningRules())
    assert channels.shape == (3, 24, 20, 22)
    assert channels.dtype == np.float32
    assert channels.min() >= 0
    assert channels.sum(axis=0).max() <= 1 + 1e-5


def test_conditioning_without_faults_lies_on_the_truth() -> None:
    target = two_bones()
    channels = draw_conditioning(np.random.default_rng(1), target, 3, 1.5, FAULTLESS)
    found = np.where(channels.max(axis=0) > 0.5, channels.argmax(axis=0) + 1, 0)
    for value in (1, 2):
        own, seen = target == value, found == value
        assert (own & seen).sum() / (own | seen).sum() > 0.75


def test_faults_change_the_channels_as_often_as_the_rules_say() -> None:
    target = two_bones()
    never_seen = ConditioningRules(0, 0, (0.5, 0.5), misnamed=0, missing=0, class_missing=1)
    assert not draw_conditioning(np.random.default_rng(0), target, 3, 1.5, never_seen).any()
    swapped = ConditioningRules(0, 0, (0.5, 0.5), misnamed=1, missing=0, class_missing=0)
    wrong = [
        (draw_conditioning(np.random.default_rng(seed), target, 3, 1.5, swapped)[1][target == 1] > 0.5).any()
        for seed in range(20)
    ]
    assert 5 < sum(wrong) <= 20


@pytest.mark.parametrize("side", [16, 17])
def test_voxels_of_unknown_bones_count_as_background(side: int) -> None:
    target = np.full((side, side, side), NOT_OURS, np.uint8)
    assert not draw_conditioning(np.random.default_rng(0), target, 3, 1.5, ConditioningRules()).any()
