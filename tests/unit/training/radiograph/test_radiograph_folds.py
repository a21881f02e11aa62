"""Folds never share a group, hold all images once, and have fractured images in equal numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.errors import UsageError
from tests.support.radiographs.synthetic_radiographs import made_radiograph
from training.radiograph.cross_validation import FoldMetrics, content_of, folds_in, table_of
from training.radiograph.datasets.cleaning import RadiographSet
from training.radiograph.datasets.groups import Member, apart, folds_of, groups_of, number_of
from training.radiograph.datasets.near_copies import NEIGHBOURS

IMAGE = replace(made_radiograph(1, True), pixels=np.zeros((2, 2), np.uint8), outlines=())


@st.composite
def datasets(draw: st.DrawFn) -> RadiographSet:
    """Images with patients or numbers, some of them copies."""
    count = draw(st.integers(20, 60))
    members = []
    for at in range(count):
        patient = str(draw(st.integers(0, 15))) if draw(st.booleans()) else ""
        number = None if patient else draw(st.integers(0, 300))
        image = replace(IMAGE, name=str(at), fractured=draw(st.booleans()))
        members.append(Member(image, patient, number))
    index = st.integers(0, count - 1)
    pairs = draw(st.lists(st.tuples(index, index).filter(lambda pair: pair[0] < pair[1]), max_size=5))
    return RadiographSet("made", tuple(members), tuple(pairs), ())


@settings(max_examples=60)
@given(datasets(), st.integers(2, 5))
def test_folds_never_share_a_group(dataset: RadiographSet, count: int) -> None:
    try:
        folds = folds_in(dataset, count)
    except UsageError:
        assert len(set(groups_of(dataset.members, dataset.pairs))) < count
        return
    assert sorted(at for fold in folds for at in fold.held) == list(range(len(dataset.members)))
    groups = groups_of(dataset.members, dataset.pairs)
    for fold in folds:
        assert not {groups[at] for at in fold.trained} & {groups[at] for at in fold.held}
        held, trained = ([dataset.members[at] for at in part] for part in (fold.held, fold.trained))
        assert not {m.patient for m in trained} & {m.patient for m in held} - {""}
        assert not any({a, b} & set(fold.held) and {a, b} & set(fold.trained) for a, b in dataset.pairs)
        numbers = [m.number for m in held if m.number is not None]
        assert all(abs(m.number - n) > NEIGHBOURS for m in trained if m.number is not None for n in numbers)


@settings(max_examples=60)
@given(st.lists(st.booleans(), min_size=30, max_size=200), st.integers(2, 5))
def test_single_images_are_dealt_evenly(fractured: list[bool], count: int) -> None:
    fold = np.array(folds_of(range(len(fractured)), fractured, count))
    sizes = np.bincount(fold, minlength=count)
    broken = np.bincount(fold[np.array(fractured)], minlength=count)
    assert np.ptp(sizes) <= 1
    assert np.ptp(broken) <= 1


def test_runs_of_numbers_are_cut() -> None:
    members = [Member(replace(IMAGE, name=str(n)), "", n) for n in range(400)]
    groups = groups_of(members, ())
    assert max(np.unique(groups, return_counts=True)[1]) == 32
    assert len(set(groups_of([*members, Member(IMAGE, "", 900)], ()))) == len(set(groups)) + 1


def test_copies_join_the_groups_of_both() -> None:
    members = [Member(IMAGE, patient) for patient in ("a", "a", "b", "b", "c")]
    assert groups_of(members, ()) == [0, 0, 2, 2, 4]
    assert groups_of(members, ((1, 2),)) == [0, 0, 0, 0, 4]


def test_neighbours_of_copies_of_held_out_images_are_apart() -> None:
    members = [Member(IMAGE, "", n) for n in (10, 50, 51, 53, 90)]
    assert apart(members, ((0, 1),), {0}) == {1, 2}


@pytest.mark.parametrize(
    ("name", "number"),
    [("IMG0000012.jpg", 12), ("7.png", 7), ("0002_035_01_WRI-L1.png", None), ("a.png", None)],
)
def test_only_a_single_number_at_the_end_of_a_name_is_one(name: str, number: int | None) -> None:
    assert number_of(name) == number


def test_fewer_groups_than_folds_are_refused() -> None:
    with pytest.raises(UsageError, match="expected 5 groups of images or more for 5 parts, got 2"):
        folds_of([0, 0, 1, 1], [True, False, True, False], 5)


def test_the_table_of_all_folds() -> None:
    results = [
        FoldMetrics(1, 10, 5, 2, {"auc": 0.8, "accuracy": 0.5}),
        FoldMetrics(2, 11, 4, 0, {"auc": math.nan, "accuracy": 0.7}),
    ]
    assert table_of(results).splitlines() == [
        "| metric | mean | spread | fold 1 | fold 2 |",
        "| --- | --- | --- | --- | --- |",
        "| images |  |  | 5 | 4 |",
        "| auc | 0.800 |  | 0.800 |  |",
        "| accuracy | 0.600 | 0.141 | 0.500 | 0.700 |",
    ]
    content = content_of(results)
    assert content["folds"][1]["metrics"] == {"auc": None, "accuracy": 0.7}
    assert content["all"]["auc"] == {"mean": 0.8, "spread": None}
    assert content["folds"][0]["trained"] == 10
