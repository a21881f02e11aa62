"""Figures of a cross-validation: means over patients, intervals, the best fold, the card, the curves."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from operators.errors import ModelError
from tests.unit.training.labelled_ct.test_folds import case
from training.labelled_ct.curves import draw_curves
from training.labelled_ct.folds import Fold
from training.labelled_ct.package.installation import install_trained
from training.labelled_ct.package.model_card import FoldResult, best_of, card_text, fold_table
from training.labelled_ct.scoring import CaseScore, figures_of


def score(name: str, patient: str, *invented: str, **dice: float) -> CaseScore:
    return CaseScore(name, patient, dice, list(invented), 1.0)


def result(number: int, *scores: CaseScore) -> FoldResult:
    held = tuple(case(one.case, one.patient, one.dice) for one in scores)
    trained = (case("t1", "q1", {"a": 1.0}), case("t2", "q1", {"a": 1.0}))
    return FoldResult(Fold(number, trained, (case("w", "q2", {"a": 1.0}),), held), scores)


def test_a_patient_with_many_cases_counts_once() -> None:
    scores = [score("1", "p", a=0.2), score("2", "p", a=0.4), score("3", "q", a=0.9, b=0.5)]
    a, b, mean = figures_of(scores, ["a", "b"])
    assert a.patients == 2
    assert a.value == pytest.approx(0.6)
    assert a.low == pytest.approx(0.3)
    assert a.high == pytest.approx(0.9)
    assert (b.patients, b.value, b.low, b.high) == (1, 0.5, 0.5, 0.5)
    assert mean.value == pytest.approx((0.3 + 0.7) / 2)


def test_a_class_that_no_case_shows_has_no_figure_but_its_false_findings() -> None:
    a, mean = figures_of([score("1", "p", "a"), score("2", "q", "a")], ["a"])
    assert (a.patients, a.invented) == (0, 2)
    assert np.isnan(a.value)
    assert np.isnan(mean.value)


def test_the_best_fold_has_the_highest_mean_and_one_without_figures_is_last() -> None:
    folds = [result(1, score("1", "p")), result(2, score("2", "q", a=0.0)), result(3, score("3", "r", a=0.0))]
    assert best_of(folds).fold.number == 2
    assert best_of([*folds, result(4, score("4", "s", a=0.1))]).fold.number == 4


def test_the_card_has_every_fold_the_intervals_and_what_it_is_not_for() -> None:
    folds = [result(1, score("1", "p", "b", a=0.5)), result(2, score("2", "q", a=0.9, b=0.7))]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in fold_table(folds, ["a", "b"]).split("\n")
    ]
    assert rows[0][1:4] == ["fold 1", "fold 2", "all folds"]
    assert rows[2] == ["a", "0.500", "0.900", "0.700", "0.500 to 0.900", "2", "0"]
    assert rows[3] == ["b", "–", "0.700", "0.700", "0.700 to 0.700", "1", "1"]
    assert rows[-1][:3] == ["patients held out", "1", "1"]
    card = card_text("thighs", "title", folds, ["a", "b"], ["one", "two"], [folds[1].fold])
    assert "Not for clinical use" in card
    assert "- one\n- two" in card
    assert "networks of fold 2" in card
    assert "trained on 1 patients, and 1 more chose the weights" in card
    both = card_text("thighs", "title", folds, ["a"], [], [one.fold for one in folds])
    assert "networks of 2 of 2 folds as one: the mean of their probabilities" in both
    assert "nothing here measures the mean itself" in both


def test_networks_that_find_nothing_are_not_installed(tmp_path: Path) -> None:
    training: Any = SimpleNamespace(
        run=SimpleNamespace(folder=tmp_path / "runs", models=tmp_path / "models", ensemble=True)
    )
    for folds in ([result(1, score("1", "p", a=0.0))], [result(1, score("1", "p"))]):
        with pytest.raises(ModelError, match="got none: nothing was installed"):
            install_trained(training, folds)
    assert not list(tmp_path.iterdir())


def test_curves_show_each_fold_of_each_network_and_what_is_not_trained_yet_is_no_error(
    tmp_path: Path,
) -> None:
    log = tmp_path / "coarse.jsonl"
    rows = [
        {"step": 10, "loss": 2.0},
        {"step": 20, "loss": 1.0, "score": 0.25},
        {"step": 40, "loss": 0.5, "score": 0.5},
    ]
    log.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    path = draw_curves({"coarse": {1: log, 2: tmp_path / "none"}, "fine": {1: tmp_path / "none"}}, tmp_path)
    text = path.read_text(encoding="utf-8")
    ElementTree.fromstring(text)
    assert 'points="80.0,0.0 160.0,80.0 320.0,120.0"' in text
    assert 'points="160.0,120.0 320.0,80.0"' in text
    assert "fold 2" in text
    assert "fine: loss" in text
