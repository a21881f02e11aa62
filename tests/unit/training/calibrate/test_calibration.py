"""Calibration of the decision on fractures, fitted on simulated bones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from operators.fragments.evidence import FractureEvidence
from operators.fragments.fragments import split
from operators.fragments.watershed import over_segmented
from operators.package_files.package_reader import PACKAGE_FILE, read_coarse_to_fine_package
from operators.packages.coarse_to_fine import FragmentRules
from operators.packages.confidence import LIKELY
from tests.support.packages.synthetic_packages import write_package
from tests.support.training.training_cases import recipe, write_data
from training.calibrate.calibration import CalibrationRun, with_confidence, with_operating_points
from training.calibrate.decisions import (
    Decision,
    KnownBone,
    fit_decision,
    mistakes,
    outline_simulated,
    with_decision,
    with_oracle,
)
from training.calibrate.operating_points import points_of
from training.calibrate.reliability import Scored
from training.calibrate.scores import contacts_met, fracture_rows
from training.fracturing.bone import with_nearest

RULES = FragmentRules("watershed_and_merge", 200.0, 0.5, (-4.0, 10.0, 0.0, 0.0))


def decisions(rng: np.random.Generator, count: int, noise: float) -> list[Decision]:
    """A fracture where contact is above what the size of the smaller piece asks for."""
    found = []
    for _ in range(count):
        contact, volume, area = rng.uniform(0, 1), rng.uniform(2.3, 5), rng.uniform(1, 4)
        fracture = contact > 0.9 - 0.12 * (volume - 2.3) + rng.normal(0, noise)
        found.append(Decision((contact, volume, area), bool(fracture)))
    return found


def test_the_fit_finds_what_parts_fractures_from_other_faces() -> None:
    rng = np.random.default_rng(0)
    logit = fit_decision(decisions(rng, 600, 0.05))
    fresh = decisions(rng, 400, 0.0)
    missed, false = mistakes(fresh, logit)
    assert missed + false < 24
    assert logit[1] > 0 < logit[2]
    assert abs(logit[3]) < abs(logit[2])


def test_a_separable_set_has_a_finite_answer() -> None:
    logit = fit_decision([Decision((0.9, 3.0, 2.0), True), Decision((0.1, 3.0, 2.0), False)])
    assert np.isfinite(logit).all()
    assert mistakes([Decision((0.9, 3.0, 2.0), True), Decision((0.1, 3.0, 2.0), False)], logit) == (0, 0)


def test_a_set_of_fractures_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="got only one kind"):
        fit_decision([Decision((0.9, 3.0, 2.0), True)] * 3)


def broken_bar() -> tuple[FractureEvidence, np.ndarray]:
    """A bar with a waist, its truth in two fragments, and contact where they meet."""
    i, j, k = np.indices((60, 30, 30))
    bone = (j - 15) ** 2 + (k - 15) ** 2 < (5 + 8 * np.abs(np.cos(i / 60 * 2 * np.pi))) ** 2
    truth = np.where(bone, np.where(i < 30, 1, 2), 0).astype(np.uint8)
    contact = ndimage.gaussian_filter((np.abs(i - 29.5) < 2).astype(np.float32), 0.5)
    return FractureEvidence(
        bone, np.zeros_like(bone), contact, np.where(bone, 300, 0).astype(np.float32), 1.2
    ), truth


def test_the_oracle_joins_all_but_true_fractures_and_notes_both() -> None:
    evidence, truth = broken_bar()
    regions = over_segmented(evidence, RULES)
    before = len(regions.sizes)
    met = with_oracle(regions, truth[evidence.bone], 1.2)
    assert before > 2 == len(regions.sizes)
    assert sum(decision.fracture for decision in met) >= 1
    contact = {kind: [d.features[0] for d in met if d.fracture == kind] for kind in (True, False)}
    assert min(contact[True]) > max(contact[False])
    fit = replace(RULES, fracture_logit=fit_decision(met))
    found = split(evidence, fit).labels
    np.testing.assert_array_equal(found > 0, evidence.bone)
    assert found.max() == 2


def test_an_outline_is_near_the_bone_and_every_voxel_has_a_nearest_fragment() -> None:
    evidence, truth = broken_bar()
    outline = outline_simulated(np.random.default_rng(0), evidence.bone)
    assert 0.8 < (outline & evidence.bone).sum() / (outline | evidence.bone).sum() < 1
    nearest = with_nearest(truth, np.ones_like(truth, bool))
    assert set(np.unique(nearest)) == {1, 2}
    np.testing.assert_array_equal(nearest[truth > 0], truth[truth > 0])


def simulated() -> KnownBone:
    evidence, truth = broken_bar()
    return KnownBone(evidence, truth[evidence.bone])


def test_the_decodings_own_decisions_are_held_against_the_truth() -> None:
    met = contacts_met(simulated(), RULES)
    assert {parted for odds, parted in met if odds > 0} == {True}
    assert {parted for odds, parted in met if odds < 0} == {False}
    rows = fracture_rows([simulated()] * 2, RULES)
    assert [(broken, number) for _, broken, number in rows["fracture"]] == [(True, 0), (True, 1)]
    assert len(rows["contact"]) == 2 * len(met)


def test_a_fit_without_a_mistake_is_written_with_a_warning(tmp_path: Path) -> None:
    path = write_package(tmp_path / "bones")
    rules, said = with_decision(path.parent, RULES, [simulated()], [])
    assert "warning" in said
    assert read_coarse_to_fine_package(path).fragments.fracture_logit == rules.fracture_logit


def test_odds_that_tell_less_of_other_bones_than_the_former_ones_are_not_taken(tmp_path: Path) -> None:
    path = write_package(tmp_path / "bones")
    certain = replace(RULES, fracture_logit=(-50.0, 100.0, 0.0, 0.0))
    rules, said = with_decision(path.parent, certain, [simulated()], [simulated()])
    assert (rules, said.split(":")[0]) == (certain, "fracture_logit kept")
    wrong = replace(RULES, fracture_logit=(50.0, -100.0, 0.0, 0.0))
    rules, _ = with_decision(path.parent, wrong, [simulated()], [simulated()])
    assert rules != wrong
    assert read_coarse_to_fine_package(path).fragments.fracture_logit == rules.fracture_logit


def test_bones_that_show_no_fracture_leave_the_odds_as_they_were(tmp_path: Path) -> None:
    path, before = (
        write_package(tmp_path / "bones"),
        read_coarse_to_fine_package(tmp_path / "bones" / PACKAGE_FILE),
    )
    whole = replace(simulated(), truth=np.ones_like(simulated().truth))
    rules, said = with_decision(path.parent, RULES, [whole], [])
    assert (rules, said.split(":")[0]) == (RULES, "fracture_logit kept")
    assert read_coarse_to_fine_package(path) == before


def test_probabilities_are_written_where_cases_were_enough(tmp_path: Path) -> None:
    path = write_package(tmp_path / "bones")
    rng = np.random.default_rng(0)
    odds = rng.normal(0, 2, 200)
    so = rng.random(200) < 1 / (1 + np.exp(-odds))
    many = list(zip(odds.tolist(), so.tolist(), range(200), strict=True))
    rows = {"bone": many[:3], "fracture": many, "contact": many}
    for _ in range(2):
        said = with_confidence(path.parent, rows, "made-up scores")
    confidence = read_coarse_to_fine_package(path).confidence
    assert (confidence.bone, confidence.fitted_on) == ((), "made-up scores")
    assert confidence.fracture[1] == pytest.approx(1, abs=0.4)
    assert said[0].startswith("bone present: too few cases")
    assert "bone fractured" in (path.parent / "reliability.svg").read_text(encoding="utf-8")
    assert "bone present" not in (path.parent / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert path.read_text(encoding="utf-8").count("[confidence]") == 1


def test_what_is_not_fitted_again_stays(tmp_path: Path) -> None:
    path = write_package(tmp_path / "bones")
    rng = np.random.default_rng(0)
    odds = rng.normal(0, 2, 60)
    many = list(zip(odds.tolist(), (odds > 0).tolist(), range(60), strict=True))
    with_confidence(path.parent, {"bone": many, "fracture": many, "contact": many}, "all")
    before = read_coarse_to_fine_package(path).confidence
    with_confidence(path.parent, {"fracture": many, "contact": many}, "fractures")
    after = read_coarse_to_fine_package(path).confidence
    assert (after.bone, after.fitted_on) == (before.bone, "fractures")


def test_operating_points_are_written_beside_the_calibration(tmp_path: Path) -> None:
    path = write_package(tmp_path / "bones")
    odds = np.linspace(-6, 6, 40).tolist()
    rows = {"contact": [(each, each > 0, n) for n, each in enumerate(odds)]}
    with_confidence(path.parent, rows, "made-up scores")
    whole = replace(simulated(), truth=np.ones_like(simulated().truth))
    assert with_operating_points(path.parent, [simulated()] * 4, RULES, 4) == []
    said = with_operating_points(path.parent, [*[simulated()] * 5, *[whole] * 5], RULES, 10)
    confidence = read_coarse_to_fine_package(path).confidence
    assert len(said) == 3
    assert LIKELY <= confidence.operating_points["sensitive"] <= confidence.operating_points["specific"] < 1
    assert confidence.fitted_on == "made-up scores"


def test_at_the_specific_point_every_real_intact_bone_stays_whole() -> None:
    broken, intact = np.linspace(0, 6, 10), np.linspace(-6, 1, 10)
    line = (0.0, 1.0)

    def points(real: list[float]) -> dict[str, float]:
        scores = np.concatenate([broken, intact, real])
        return points_of(Scored(scores, np.arange(len(scores)) < 10, np.arange(len(scores))), line, 20)

    assert points([-3.0]) == points([])
    assert points([2.0])["specific"] == pytest.approx(0.89)
    assert points([2.0])["sensitive"] == points([])["sensitive"] >= LIKELY


def test_calibrating_a_package_fits_what_the_cases_allow_and_draws_the_diagram(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Networks with random weights see nothing of use: the decision stays, and no probability is given."""
    monkeypatch.setattr("training.calibrate.decisions.EXTENT_MM", (28.8, 28.8, 28.8))
    path = write_package(tmp_path / "bones", sees_bone=True)
    before = read_coarse_to_fine_package(path)
    data, cache = write_data(tmp_path / "data"), tmp_path / "cache"
    said = CalibrationRun(path.parent, recipe(tmp_path), data, cache, cases=4).calibrate()
    assert [line.split(":")[0] for line in said.splitlines()] == [
        "fracture_logit kept",
        "bone present",
        "bone fractured",
        "contact is a fracture",
    ]
    after = read_coarse_to_fine_package(path)
    assert after.fragments == before.fragments
    assert (after.confidence.fracture, after.confidence.contact) == ((), ())
    assert after.confidence.fitted_on.startswith(
        "2 simulated bones, 0 real intact bones, 0 procedural bodies"
    )
    assert (path.parent / "reliability.svg").is_file()
