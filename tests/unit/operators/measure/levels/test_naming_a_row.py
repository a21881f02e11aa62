"""The naming of a row of bones: exact probabilities, variants that people have, any field of view."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from operators.measure.levels.naming_a_row import (
    beginning,
    emissions,
    ending,
    name_row,
    steps_below,
)
from operators.measure.levels.row_model import row_model
from operators.packages.levels import LevelEvidence, LevelRules, RegionOfRow
from tests.support.bones.synthetic_levels import LOWER, MIDDLE, RULES, UPPER, USUAL, Quality, evidence_on

CLEAR = Quality(width=0.35, noise=0.3, shifted=0.0, ribs=4.0)
SMALL = LevelRules(
    regions=(RegionOfRow(("A", "B"), (0.3, 0.7), 0.9), RegionOfRow(("D", "E"), (0.4, 0.6), 0.1)),
    unnamed="bone",
    fused=0.1,
    missed=0.05,
    doubled=0.03,
)


def levels_of(evidence: tuple[LevelEvidence, ...], rules: LevelRules = RULES) -> tuple[str, ...]:
    return tuple("+".join(each) for each in name_row(evidence, rules).levels)


def clear(
    row: tuple[str, ...], seen: tuple[bool, bool] = (False, False), seed: int = 1
) -> tuple[LevelEvidence, ...]:
    return evidence_on(np.random.default_rng(seed), row, CLEAR, seen)


def every_path(evidence: tuple[LevelEvidence, ...], rules: LevelRules) -> dict[tuple[int, ...], float]:
    """The probability of every path together with the evidence, summed up one by one."""
    model, found = row_model(rules), {}
    given = [emissions(evidence, model, shift) for shift in (-1, 0, 1)]
    shares = (rules.shifted / 2, 1 - rules.shifted, rules.shifted / 2)
    for path in product(range(len(model.states)), repeat=len(evidence)):
        prior = beginning(evidence, model)[path[0]] + ending(evidence, model)[path[-1]]
        for n in range(len(path) - 1):
            prior += steps_below(evidence[n], model)[path[n], path[n + 1]]
        likely = [np.exp(sum(each[n, state] for n, state in enumerate(path))) for each in given]
        found[path] = float(np.exp(prior) * np.dot(shares, likely))
    return found


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("bones", [1, 2, 3])
def test_probabilities_are_those_of_every_admissible_path(bones: int, seed: int) -> None:
    rng = np.random.default_rng([bones, seed])
    evidence = tuple(
        LevelEvidence(
            tuple(np.log(rng.dirichlet(np.ones(4))).tolist()),
            tuple(np.log(rng.dirichlet(np.ones(2))).tolist()),
            float(rng.normal(0, 2)) if seed % 2 else None,
            is_partial=n == 0 and seed > 3,
            gap_below=n == 0 and seed == 2,
            is_first=n == 0 and seed == 1,
            is_last=n == bones - 1 and seed == 3,
        )
        for n in range(bones)
    )
    paths = every_path(evidence, SMALL)
    whole, model, naming = sum(paths.values()), row_model(SMALL), name_row(evidence, SMALL)
    (best, first), (other, second) = sorted(paths.items(), key=lambda each: -each[1])[:2]
    named = [tuple(tuple(SMALL.levels[n] for n in model.states[s]) for s in path) for path in (best, other)]
    assert naming.levels == named[0]
    assert naming.probability == pytest.approx(first / whole)
    assert naming.runner_up == named[1]
    assert naming.runner_up_probability == pytest.approx(second / whole)
    for n, own in enumerate(naming.own):
        assert own == pytest.approx(sum(p for path, p in paths.items() if path[n] == best[n]) / whole)


def test_shares_of_variants_sum_to_one() -> None:
    model = row_model(RULES)
    rows = model.following.sum(axis=1) + [model.ends[n] for n in range(len(RULES.levels))]
    assert rows == pytest.approx(1.0)


@pytest.mark.parametrize(
    "row",
    [
        USUAL,
        (*UPPER, *MIDDLE, *LOWER[:5]),
        (*UPPER, *MIDDLE[:11], *LOWER[:5]),
        (*UPPER, *MIDDLE[:12], *LOWER),
        (*UPPER, *MIDDLE[:12], *LOWER[:4]),
        (*MIDDLE[8:12], *LOWER[:5]),
        UPPER,
        MIDDLE[3:9],
    ],
)
def test_variants_and_fields_of_view_are_named(row: tuple[str, ...]) -> None:
    naming = name_row(clear(row, (row[0] == UPPER[0], row[-1] in LOWER)), RULES)
    assert tuple("+".join(each) for each in naming.levels) == row
    assert naming.is_regular
    assert naming.missed == ()


def test_levels_alone_are_never_surer_than_the_share_of_scans_that_are_not_shifted() -> None:
    evidence = tuple(replace(each, ribs=None) for each in clear(LOWER[:4]))
    assert name_row(evidence, RULES).probability < 1 - RULES.shifted / 2
    seen = (*evidence, replace(clear(LOWER[4:5])[0], ribs=None, is_last=True))
    assert name_row(seen, RULES).probability > name_row(evidence, RULES).probability


def test_the_boundary_of_ribs_outweighs_levels_that_are_shifted() -> None:
    rng = np.random.default_rng(3)
    row = (*MIDDLE[8:12], *LOWER[:5])
    shifted = evidence_on(rng, (*MIDDLE[7:12], *LOWER[:4]), CLEAR, (False, True))
    true = clear(row, (False, True))
    mixed = tuple(replace(a, ribs=b.ribs) for a, b in zip(shifted, true, strict=True))
    assert levels_of(mixed) == row


def test_a_row_that_is_upside_down_contradicts_its_naming() -> None:
    for row in (USUAL, (*MIDDLE[8:12], *LOWER[:5]), MIDDLE[3:9]):
        right, wrong = (name_row(each, RULES) for each in (clear(row), clear(row)[::-1]))
        assert right.contradiction < 0.5
        assert wrong.contradiction > RULES.contradicted


def test_the_last_level_of_most_people_is_read_as_that_of_few_where_levels_are_shifted() -> None:
    read = tuple(replace(each, ribs=None) for each in clear(LOWER[1:6], (False, True)))
    naming = name_row(read, RULES)
    assert {naming.levels[-1], naming.runner_up[-1]} == {("L6",), ("L5",)}
    assert naming.probability < RULES.least_probability


def test_fused_bones_bear_both_levels() -> None:
    row = clear((*UPPER, *MIDDLE[:3]), (True, False))
    both = np.logaddexp(row[4].levels, row[5].levels) - np.log(2)
    fused = (*row[:4], replace(row[4], levels=tuple(both.tolist())), *row[6:])
    assert levels_of(fused) == (*UPPER[:4], "C5+C6", "C7", *MIDDLE[:3])


def test_a_bone_that_was_not_outlined_is_said_to_be_missing() -> None:
    row = clear((*MIDDLE[2:5], *MIDDLE[6:10]))
    naming = name_row((*row[:2], replace(row[2], gap_below=True), *row[3:]), RULES)
    assert naming.missed == (2,)
    assert tuple(each[0] for each in naming.levels) == (*MIDDLE[2:5], *MIDDLE[6:10])


def test_a_bone_that_was_outlined_twice_makes_no_regular_naming() -> None:
    row = clear((*MIDDLE[2:12], *LOWER[:5]), (False, True))
    # In the middle: near an end, a shift of the few bones beyond it explains the same
    assert not name_row((*row[:8], row[7], *row[8:]), RULES).is_regular


def test_one_bone_without_ends_or_ribs_is_uncertain() -> None:
    evidence = tuple(replace(each, ribs=None) for each in evidence_on(np.random.default_rng(2), LOWER[2:3]))
    assert name_row(evidence, RULES).probability < RULES.least_probability


def test_evidence_that_excludes_the_true_level_does_not_exclude_the_true_row() -> None:
    row = clear((*MIDDLE[8:12], *LOWER[:5]), (False, True))
    wrong = [-40.0] * len(RULES.levels)
    wrong[0] = 0.0
    naming = name_row((*row[:3], replace(row[3], levels=tuple(wrong), regions=()), *row[4:]), RULES)
    assert tuple(each[0] for each in naming.levels) == (*MIDDLE[8:12], *LOWER[:5])
