"""Namings of simulated rows are as often right as their probability says, and seldom wrong unflagged.

The evidence varies from sharp to poor, is shifted by one in some scans, and rows have the variants of people.
"""

from __future__ import annotations

import numpy as np
import pytest

from operators.measure.levels.naming_a_row import name_row
from tests.support.bones.synthetic_levels import RULES, Quality, evidence_on, view_of, whole_row

ROWS = 400


@pytest.fixture(scope="module")
def namings() -> np.ndarray:
    """Probability, whether right, whether regular (N, 3) of namings of simulated rows."""
    rng, found = np.random.default_rng(7), []
    for _ in range(ROWS):
        quality = Quality(width=rng.uniform(0.4, 1.0), noise=rng.uniform(0.3, 1.5))
        view, top, bottom = view_of(rng, whole_row(rng))
        told = rng.random() < 0.7
        evidence = evidence_on(rng, view, quality, (top and told, bottom and told), rng.random() < 0.8)
        naming = name_row(evidence, RULES)
        found.append(
            (naming.probability, naming.levels == tuple((level,) for level in view), naming.is_regular)
        )
    return np.array(found, np.float64)


@pytest.mark.parametrize(("low", "high"), [(0.3, 0.8), (0.8, 0.95), (0.95, 1.0)])
def test_namings_are_right_as_often_as_they_say(namings: np.ndarray, low: float, high: float) -> None:
    within = namings[(namings[:, 0] >= low) & (namings[:, 0] < high)]
    said, right = within[:, 0].mean(), within[:, 1].mean()
    assert len(within) >= 40
    assert right == pytest.approx(said, abs=3 * np.sqrt(said * (1 - said) / len(within)) + 0.02)


def test_few_unflagged_namings_are_wrong(namings: np.ndarray) -> None:
    used = namings[(namings[:, 0] >= RULES.least_probability) & (namings[:, 2] > 0)]
    assert len(used) > 0.5 * ROWS
    assert 1 - used[:, 1].mean() <= (1 - RULES.least_probability) / 2
