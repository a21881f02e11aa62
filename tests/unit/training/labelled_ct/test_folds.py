"""Folds of labelled cases: a patient is in one part of each, every class is learnt in all of them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from operators.errors import UsageError
from training.datasets.layout import Case
from training.labelled_ct.case_facts import MeasuredCase, patients_of
from training.labelled_ct.folds import Fold, folds_of, rows_of

DIGEST = "0" * 64


def case(name: str, patient: str, ml: Mapping[str, float]) -> MeasuredCase:
    return MeasuredCase(name, patient, (1.0, 1.0, 1.0), (100.0, 100.0, 100.0), ml, dict.fromkeys(ml, 1))


def cases(patients: int, of_each: int = 1, rare: int = 0) -> list[MeasuredCase]:
    """Cases of the class a; the first `rare` patients show b too."""
    return [
        case(f"c{n}_{at}", f"p{n}", {"a": 1.0, **({"b": 1.0} if n < rare else {})})
        for n in range(patients)
        for at in range(of_each)
    ]


def patients_in(fold: Fold) -> list[set[str]]:
    return [{each.patient for each in part} for part in (fold.trained, fold.watched, fold.held_out)]


def test_no_patient_is_in_two_parts_and_each_is_held_out_once() -> None:
    made = cases(11, of_each=3)
    folds = folds_of(made, ["a"], 5, seed=0)
    everyone = {each.patient for each in made}
    for fold in folds:
        trained, watched, held = patients_in(fold)
        assert not trained & watched
        assert not (trained | watched) & held
        assert trained | watched | held == everyone
        assert len(watched) == 1
        assert len(held) in (2, 3)
    assert sorted(name for name, _, _ in rows_of(folds)) == sorted(each.name for each in made)


def test_a_rare_class_is_held_out_evenly_and_learnt_in_every_fold() -> None:
    folds = folds_of(cases(20, rare=5), ["a", "b"], 5, seed=3)
    for fold in folds:
        assert sum("b" in each.ml for each in fold.held_out) == 1
        assert sum("b" in each.ml for each in fold.trained) >= 1


def test_folds_depend_on_the_seed_alone() -> None:
    made = cases(12)
    first, again, other = (rows_of(folds_of(made, ["a"], 4, seed)) for seed in (1, 1, 2))
    assert first == again != other


def test_fewer_patients_than_folds_say_what_to_do() -> None:
    with pytest.raises(UsageError, match="got 5 folds and 3 patients in 6 cases; give --folds 3"):
        folds_of(cases(3, of_each=2), ["a"], 5, seed=0)


def test_a_class_of_one_patient_is_missing_where_that_one_is_held_out() -> None:
    with pytest.raises(UsageError, match=r"got none of b in that of fold \d: 1 of 6 patients show b"):
        folds_of(cases(6, rare=1), ["a", "b"], 3, seed=0)


def test_the_only_one_who_shows_a_class_beside_the_held_out_ones_is_not_watched() -> None:
    for fold in folds_of(cases(6, rare=2), ["a", "b"], 2, seed=0):
        assert any("b" in each.ml for each in fold.trained)


def test_few_patients_are_all_trained_on() -> None:
    assert all(not fold.watched for fold in folds_of(cases(4), ["a"], 2, seed=0))


def test_cases_with_the_same_image_are_of_one_patient_whatever_they_are_called() -> None:
    rows = [("a", "p1", "1"), ("b", "p2", "2"), ("c", "p3", "1"), ("d", "p2", "3"), ("e", "", "4")]
    listed = [Case(name, patient, "", image.rjust(64, "0"), DIGEST) for name, patient, image in rows]
    found = patients_of(listed)
    assert found["a"] == found["c"] == "p1"
    assert found["b"] == found["d"] == "p2"
    assert found["e"] == "e"
