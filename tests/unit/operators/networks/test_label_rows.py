"""From a network's rows to labels of the scan's voxels: in pieces the result is the same as in one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from operators.geometry.orientation import Turn
from operators.networks.windows.label_rows import label_source
from operators.networks.windows.labelled_scan import LabelledScan
from operators.nnunet.channels import Channels
from operators.nnunet.preprocessing import PreprocessedImage
from operators.nnunet.zoom import resized
from operators.packages.plans import Averaged, NnUNetPlans, Resampling

INNER, BOX, WHOLE = (9, 8, 7), (13, 6, 15), (16, 8, 15)
TURN = Turn((2, 0, 1), (True, False, True))
RNG = np.random.default_rng(5)


def prepared(network_mm: tuple[float, ...], spacing_mm: tuple[float, ...]) -> PreprocessedImage:
    box = (slice(2, 15), slice(1, 7), slice(0, 15))
    return PreprocessedImage(Channels(np.zeros(INNER, np.float32)), TURN, WHOLE, box, spacing_mm, network_mm)


def recipe(averaged: Averaged = "logits", regions: tuple[int, ...] = ()) -> NnUNetPlans:
    return NnUNetPlans("LPS", (0, 1, 2), Resampling(3), Resampling(1), averaged=averaged, regions=regions)


def found(
    answer: torch.Tensor, how: NnUNetPlans, cuts: list[int], values: list[int] | None = None
) -> LabelledScan:
    pieces = answer.split(cuts, dim=1)
    return label_source(pieces, prepared((1.0, 1.0, 1.0), (1.0, 1.0, 1.0)), how, values)


def turned(labels: NDArray[np.uint8]) -> NDArray[np.generic]:
    return TURN.apply(labels)[2:15, 1:7, 0:15]


@pytest.mark.parametrize("cuts", [[9], [1] * 9, [4, 5], [0, 8, 1]])
@pytest.mark.parametrize(("averaged", "kind"), [("logits", np.float16), ("probabilities", np.float32)])
def test_labels_are_those_of_the_whole_answer_resampled(
    cuts: list[int], averaged: Averaged, kind: type[np.floating]
) -> None:
    answer: NDArray[np.floating] = RNG.normal(0, 2, (4, *INNER)).astype(kind)
    got = found(torch.from_numpy(answer), recipe(averaged), cuts)
    whole: NDArray[np.floating] = np.stack(
        [resized(one.astype(np.float64), BOX, 1).astype(kind) for one in answer]
    )
    np.testing.assert_array_equal(turned(got.labels), whole.argmax(axis=0))
    assert got.labels.sum() == whole.argmax(axis=0).sum()
    np.testing.assert_array_equal(got.counts[:4], np.bincount(whole.argmax(axis=0).ravel(), minlength=4))


def test_regions_write_their_values_in_order() -> None:
    answer: NDArray[np.floating] = RNG.normal(0, 2, (2, *INNER)).astype(np.float16)
    got = found(torch.from_numpy(answer), recipe(regions=(3, 9)), [2, 7])
    first, second = (resized(one.astype(np.float64), BOX, 1).astype(np.float16) for one in answer)
    np.testing.assert_array_equal(turned(got.labels), np.where(second > 0, 9, np.where(first > 0, 3, 0)))


def test_only_wanted_values_are_kept() -> None:
    answer = torch.from_numpy(RNG.normal(0, 2, (4, *INNER)).astype(np.float16))
    everything, some = found(answer, recipe(), [9]), found(answer, recipe(), [9], [0, 2])
    np.testing.assert_array_equal(some.labels, np.where(everything.labels == 2, 2, 0))


def test_slices_that_are_far_apart_take_the_nearest_slice() -> None:
    answer: NDArray[np.floating] = RNG.normal(0, 2, (2, *INNER)).astype(np.float16)
    thick = prepared((4.0, 1.0, 1.0), (3.0, 1.0, 1.0))
    got = label_source([torch.from_numpy(answer)], thick, recipe(), None)
    nearest = np.clip(np.floor(9 / 13 * (np.arange(13) + 0.5)).astype(int), 0, 8)
    flat = [np.stack([resized(p.astype(np.float64), BOX[1:], 1) for p in one])[nearest] for one in answer]
    np.testing.assert_array_equal(turned(got.labels), np.stack(flat).astype(np.float16).argmax(axis=0))


def test_certainty_is_the_mean_probability_where_a_class_wins() -> None:
    answer = torch.from_numpy(RNG.normal(0, 2, (3, *INNER)).astype(np.float16))
    shares = torch.softmax(answer.float(), 0).numpy()
    got = found(answer, recipe(), [4, 5]).certainties
    for value in range(3):
        expected = shares[value][shares.argmax(axis=0) == value].mean()
        assert got[value] == pytest.approx(expected, rel=1e-5)
