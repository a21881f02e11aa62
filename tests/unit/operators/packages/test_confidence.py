"""Probabilities as they are stated, and the odds from which on a piece is shown."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from operators.packages.confidence import CERTAIN, LIKELY, Confidence, least_odds, percent, stated_probability

LINES = st.tuples(st.floats(-5, 5), st.floats(0.01, 5))


@given(line=LINES, above=st.floats(1e-6, 5))
def test_what_is_shown_is_never_stated_as_less_likely_than_not(line: tuple[float, ...], above: float) -> None:
    least = least_odds(line)
    assume(least < inf)
    assert (stated_probability(line, least + above) or 0) >= LIKELY


@given(line=LINES, below=st.floats(1e-6, 5))
def test_what_is_joined_is_stated_as_less_likely_than_not_or_was_joined_by_the_decision_itself(
    line: tuple[float, ...], below: float
) -> None:
    least = least_odds(line)
    score = CERTAIN if least == inf else least - below
    assert (stated_probability(line, score) or 0) < LIKELY or least == 0


def test_without_a_calibration_the_decision_stays_where_it_was_fitted() -> None:
    assert least_odds(()) == 0
    assert stated_probability((), 3.0) is None


@pytest.mark.parametrize(("constant", "least"), [(1.0, 0.0), (-1.0, inf)])
def test_a_calibration_that_does_not_listen_shows_all_or_nothing(constant: float, least: float) -> None:
    assert least_odds((constant, 0.0)) == least


def test_half_a_percent_below_even_is_stated_and_judged_as_even() -> None:
    line = (0.0, 1.0)
    assert least_odds((-0.4, 0.525)) == pytest.approx(0.7238, abs=1e-4)
    assert (stated_probability(line, -0.019), stated_probability(line, -0.021)) == (0.5, 0.49)


def test_pieces_and_their_bone_are_judged_by_one_line() -> None:
    assert Confidence(fracture=(1.0, 1.0)).of_fractures == (1.0, 1.0)
    assert Confidence(fracture=(1.0, 1.0), contact=(2.0, 2.0)).of_fractures == (2.0, 2.0)
    assert Confidence().of_fractures == ()


@given(line=LINES, least=st.floats(0.5, 0.99), above=st.floats(1e-6, 5))
def test_what_is_shown_reaches_the_operating_point(
    line: tuple[float, ...], least: float, above: float
) -> None:
    odds = least_odds(line, least)
    assume(odds < inf)
    assert (stated_probability(line, odds + above) or 0) >= least


POINTS = {"sensitive": 0.5, "balanced": 0.6, "specific": 0.8}


@pytest.mark.parametrize(
    ("points", "point", "least"),
    [
        (POINTS, "specific", 0.8),
        (POINTS, "0.7", 0.7),
        (POINTS, "0.2", LIKELY),
        ({**POINTS, "sensitive": 0.3}, "sensitive", LIKELY),
        ({}, "specific", LIKELY),
    ],
)
def test_no_operating_point_shows_what_is_less_likely_than_not(
    points: dict[str, float], point: str, least: float
) -> None:
    assert Confidence(operating_points=points).least_probability(point) == least


def test_people_read_whole_percent() -> None:
    assert (percent(0.46), percent(None)) == ("46%", "–")
    assert (percent(0.994), percent(0.996), percent(1.0)) == ("99%", "over 99%", "over 99%")
    assert (percent(0.006), percent(0.004), percent(0.0)) == ("1%", "under 1%", "under 1%")
