"""Outputs are averaged in the original's order, since single precision depends on it."""

from __future__ import annotations

import numpy as np
import torch

from operators.networks.windows.averages import AVERAGES


def test_version_2_mirrors_single_axes_first_then_pairs() -> None:
    sets = AVERAGES["logits"].mirrors((0, 1, 2))
    assert sets == [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]
    assert AVERAGES["logits"].mirrors((0, 2)) == [(0,), (2,), (0, 2)]


def test_version_1_counts_mirrored_axes_in_binary_from_the_last() -> None:
    sets = [set(axes) for axes in AVERAGES["probabilities"].mirrors((0, 1, 2))]
    assert sets == [{2}, {1}, {1, 2}, {0}, {0, 2}, {0, 1}, {0, 1, 2}]
    assert AVERAGES["probabilities"].mirrors(()) == []


def test_version_1_averages_probabilities_and_version_2_logits() -> None:
    logits = np.random.default_rng(0).normal(0, 5, (3, 4, 4, 4)).astype(np.float32)
    shares = AVERAGES["probabilities"].become(logits)
    np.testing.assert_array_equal(shares, torch.softmax(torch.from_numpy(logits)[None], 1)[0].numpy())
    assert AVERAGES["logits"].become(logits) is logits
