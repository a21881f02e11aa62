"""Scores become calibrated probabilities, and the diagram shows how reliable they are."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.packages.confidence import CERTAIN, calibrated_probability, log_odds
from training.calibrate.reliability import Scored, cross_fitted, platt, reliability, scored
from training.calibrate.reliability_card import BEGIN, END, diagram, with_section, write_card


def overconfident(count: int, seed: int = 0) -> Scored:
    """Scores three times too large and 1.5 too high, one to a case."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(0.5, 1.5, count)
    true = rng.random(count) < 1 / (1 + np.exp(-odds))
    return Scored(3 * odds + 1.5, true, np.arange(count))


def test_an_overconfident_source_comes_out_right() -> None:
    found = overconfident(4000)
    constant, factor = platt(Scored(np.clip(found.scores, -6, 6), found.true, found.case))
    assert factor == pytest.approx(1 / 3, abs=0.05)
    assert constant == pytest.approx(-0.5, abs=0.15)
    before = reliability(1 / (1 + np.exp(-found.scores)), found.true)
    after = reliability(cross_fitted(found), found.true)
    assert before.error > 0.08 > 0.03 > after.error
    assert after.brier < before.brier


@pytest.mark.parametrize(("yes", "no"), [(0, 50), (50, 0), (4, 50), (50, 4)])
def test_too_few_of_one_kind_give_no_probability(yes: int, no: int) -> None:
    found = scored([(1.0, True, n) for n in range(yes)] + [(-1.0, False, n) for n in range(no)])
    assert platt(found) == ()
    assert calibrated_probability((), 3.0) is None
    assert np.isnan(cross_fitted(found)).all()
    assert platt(scored([])) == ()


def test_scores_that_part_the_set_wholly_stay_short_of_certainty() -> None:
    line = platt(scored([(4.0, True, n) for n in range(20)] + [(-4.0, False, n) for n in range(20, 40)]))
    assert 0.9 < (calibrated_probability(line, 4.0) or 0) < 0.99
    assert 0.01 < (calibrated_probability(line, -4.0) or 0) < 0.1


def test_scores_that_say_the_opposite_are_not_turned_round() -> None:
    line = platt(scored([(-4.0, True, n) for n in range(20)] + [(4.0, False, n) for n in range(20, 40)]))
    assert line[1] == 0
    assert calibrated_probability(line, 3.0) == pytest.approx(0.5, abs=0.01)


def test_a_case_never_counts_for_itself() -> None:
    rows = [(float(n % 7), n % 2 == 0, n) for n in range(70)]
    odd_one = [(8.0, True, 70)] * 30
    with_it = cross_fitted(scored(rows + odd_one))
    assert len(set(np.round(with_it[70:], 9))) == 1
    assert with_it[70] < 0.7


def test_bins_count_what_was_said_and_what_was_so() -> None:
    said = np.array([0.05, 0.05, 0.95, 1.0, np.nan])
    found = reliability(said, np.array([False, True, True, True, False]))
    assert found.counts.tolist() == [2, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    assert (found.predicted[0], found.observed[0], found.observed[9]) == (0.05, 0.5, 1.0)
    assert found.error == pytest.approx((0.45 * 2 + 0.025 * 2) / 4)
    assert found.brier == pytest.approx((0.05**2 + 0.95**2 + 0.05**2) / 4)


@given(probability=st.floats(0, 1), line=st.tuples(st.floats(-5, 5), st.floats(0, 5)))
def test_more_odds_never_mean_a_lower_probability(probability: float, line: tuple[float, float]) -> None:
    assert abs(log_odds(probability)) <= CERTAIN + 1e-9
    low, high = (
        calibrated_probability(line, log_odds(probability)),
        calibrated_probability(line, log_odds(min(1, probability + 0.1))),
    )
    assert low is not None
    assert high is not None
    assert 0 <= low <= high + 1e-12 <= 1 + 1e-12


def test_the_diagram_has_a_dot_and_a_number_for_each_bin_with_anything_in_it() -> None:
    found = overconfident(300)
    one = reliability(cross_fitted(found), found.true)
    root = ElementTree.fromstring(diagram({"bone present": one, "bone fractured": one}))
    dots = [element for element in root.iter() if element.tag.endswith("circle")]
    words = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert len(dots) == 2 * int((one.counts > 0).sum())
    assert "bone fractured" in words
    assert {str(count) for count in one.counts if count} <= set(words)


def test_the_cards_part_is_made_anew_and_the_rest_stays(tmp_path: Path) -> None:
    card = tmp_path / "MODEL_CARD.md"
    card.write_text(f"# Card\n\n{BEGIN}\nold\n{END}\n\n## More\n", encoding="utf-8")
    one = reliability(np.array([0.2, 0.9]), np.array([False, True]))
    for _ in range(2):
        write_card(tmp_path, {"bone present": one}, "2 made-up bones")
    text = card.read_text(encoding="utf-8")
    assert text.startswith(f"# Card\n\n{BEGIN}\nFitted on 2 made-up bones")
    assert text.endswith(f"{END}\n\n## More\n")
    assert "\nold\n" not in text
    assert "| bone present | 2 | 0.150 |" in text
    assert "(reliability.svg)" in text
    assert (tmp_path / "reliability.svg").read_text(encoding="utf-8").startswith("<svg")


def test_a_card_without_markers_gets_its_part_at_the_end() -> None:
    assert with_section("# Card\n", "new\n") == f"# Card\n\n## Probabilities\n\n{BEGIN}\nnew\n{END}\n"
