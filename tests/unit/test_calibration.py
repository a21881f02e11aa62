"""The decision between a fracture and none: fitted on simulated bones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from operators.imaging.fragments import FractureEvidence, over_segmented, split
from operators.imaging.packages import FragmentRules
from training.calibration import Decision, fitted, mistakes, nearest_fragment, outlined, with_oracle

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
    logit = fitted(decisions(rng, 600, 0.05))
    fresh = decisions(rng, 400, 0.0)
    missed, false = mistakes(fresh, logit)
    assert missed + false < 24
    assert logit[1] > 0 < logit[2]
    assert abs(logit[3]) < abs(logit[2])


def test_a_separable_set_has_a_finite_answer() -> None:
    logit = fitted([Decision((0.9, 3.0, 2.0), True), Decision((0.1, 3.0, 2.0), False)])
    assert np.isfinite(logit).all()
    assert mistakes([Decision((0.9, 3.0, 2.0), True), Decision((0.1, 3.0, 2.0), False)], logit) == (0, 0)


def test_a_set_of_fractures_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="one of the two alone"):
        fitted([Decision((0.9, 3.0, 2.0), True)] * 3)


def broken_bar() -> tuple[FractureEvidence, np.ndarray]:
    """A bar with a waist, its truth in two fragments, and contact where they meet."""
    i, j, k = np.indices((60, 30, 30))
    bone = (j - 15) ** 2 + (k - 15) ** 2 < (5 + 8 * np.abs(np.cos(i / 60 * 2 * np.pi))) ** 2
    truth = np.where(bone, np.where(i < 30, 1, 2), 0).astype(np.uint8)
    contact = ndimage.gaussian_filter((np.abs(i - 29.5) < 2).astype(np.float32), 0.5)
    return FractureEvidence(bone, np.zeros_like(bone), 1 - contact, contact, 1.2), truth


def test_the_oracle_joins_all_but_true_fractures_and_notes_both() -> None:
    evidence, truth = broken_bar()
    regions = over_segmented(evidence, RULES)
    before = len(regions.sizes)
    met = with_oracle(regions, truth[evidence.bone], 1.2)
    assert before > 2 == len(regions.sizes)
    assert sum(decision.fracture for decision in met) >= 1
    contact = {kind: [d.features[0] for d in met if d.fracture == kind] for kind in (True, False)}
    assert min(contact[True]) > max(contact[False])
    fit = replace(RULES, fracture_logit=fitted(met))
    np.testing.assert_array_equal(split(evidence, fit) > 0, evidence.bone)
    assert split(evidence, fit).max() == 2


def test_an_outline_is_near_the_bone_and_every_voxel_has_a_nearest_fragment() -> None:
    evidence, truth = broken_bar()
    outline = outlined(np.random.default_rng(0), evidence.bone)
    assert 0.8 < (outline & evidence.bone).sum() / (outline | evidence.bone).sum() < 1
    nearest = nearest_fragment(truth)
    assert set(np.unique(nearest)) == {1, 2}
    np.testing.assert_array_equal(nearest[truth > 0], truth[truth > 0])
