"""Exclusions and folds of the real radiographs beside the checkout, in limited time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from training.radiograph.cross_validation import folds_in
from training.radiograph.datasets.cleaning import clean

DATA = Path(__file__).parents[5] / "shared" / "data" / "radiographs"
# 20 s of processor time where it was written, a core each of AMD EPYC
LONGEST_S = 120


@pytest.mark.real_data
def test_the_real_set_is_cleaned_and_divided_in_useful_time() -> None:
    began = time.process_time()
    dataset = clean(DATA)
    folds = folds_in(dataset.training(), 5)
    assert time.process_time() - began < LONGEST_S
    assert dataset.counts() == {"held_out_copy": 14}
    train, dev = dataset.images("train"), dataset.images("dev")
    assert (len(train), sum(image.fractured for image in train)) == (3217, 560)
    assert (len(dev), sum(image.fractured for image in dev)) == (254, 62)
    assert all(image.outlined for image in train)
    for fold in folds:
        fractured = sum(train[at].fractured for at in fold.held)
        assert 110 <= fractured <= 114
        assert 620 <= len(fold.held) <= 670
        assert len(fold.trained) + len(fold.held) > 3217 - 100
