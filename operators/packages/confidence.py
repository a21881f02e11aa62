"""Calibration: turns the log-odds that decisions are made with into probabilities, also for unseen cases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil, exp, inf, log

from pydantic import with_config

from operators.packages.operating_points import OPERATING_POINTS, threshold_of
from operators.packages.toml_files import STRICT

# No frequency below 1 in 3000 was ever measured here, so no score is more certain than this
CERTAIN = 8.0
# What is less likely than not is not shown. Probabilities are stated, and compared, in whole percent
LIKELY = 0.5
DIGITS = 2


@with_config(STRICT)
@dataclass(frozen=True)
class Confidence:
    """The calibration of scores: for each a constant and a factor, empty if none was fitted.

    `bone`: that a bone is there, from the log-odds of its mean probability; `contact`: that a face between
    two pieces is a fracture, from its log-odds (see FragmentRules); `fracture`: that a bone is fractured,
    from the log-odds of its most certain face. `operating_points`: the least probability, by name, with which
    a bone is shown as broken; its fragments are those more likely than not. `fitted_on` says what they were
    fitted on.
    """

    bone: tuple[float, ...] = ()
    fracture: tuple[float, ...] = ()
    contact: tuple[float, ...] = ()
    operating_points: Mapping[str, float] = field(default_factory=dict)
    fitted_on: str = ""

    @property
    def of_fractures(self) -> tuple[float, ...]:
        """The calibration by which pieces are shown and their bone's fracture is stated, so that both agree.

        The probability of a fractured bone is that of its most certain face. The calibration of faces, if
        one was fitted, has the lower Brier score of the two on real bones (0.14, against 0.29).
        """
        return self.contact or self.fracture

    def least_probability(self, operating_point: str) -> float:
        """Returns the least probability with which a bone is shown as broken, LIKELY or more."""
        known = self.operating_points or dict.fromkeys(OPERATING_POINTS, LIKELY)
        return max(threshold_of(known, operating_point), LIKELY)


UNCALIBRATED = Confidence()


def log_odds(probability: float) -> float:
    """Returns the log-odds of a probability, clipped to CERTAIN."""
    least = 1 / (1 + exp(CERTAIN))
    clipped = min(max(probability, least), 1 - least)
    return log(clipped / (1 - clipped))


def calibrated_probability(line: tuple[float, ...], score: float) -> float | None:
    """Returns the calibrated probability of log-odds `score`; None if `line` is empty, as nothing was fitted.

    Platt scaling (Platt 1999): `line` is a constant and a factor.
    """
    if not line:
        return None
    constant, factor = line
    return 1 / (1 + exp(-(constant + factor * min(max(score, -CERTAIN), CERTAIN))))


def stated_probability(line: tuple[float, ...], score: float) -> float | None:
    """Returns the calibrated probability as every result states it: in whole percent."""
    probability = calibrated_probability(line, score)
    return None if probability is None else round(probability, DIGITS)


def least_odds(line: tuple[float, ...], least: float = LIKELY) -> float:
    """Returns the least log-odds whose probability is stated as `least` or more, infinite if there are none.

    At least 0, the threshold that the decision itself was fitted for; 0 without a calibration.
    """
    if not line:
        return 0.0
    constant, factor = line
    stated = ceil(round(least * 10**DIGITS, 6)) / 10**DIGITS
    rounded_up = stated - 0.5 * 10**-DIGITS
    missing = log(rounded_up / (1 - rounded_up)) - constant
    if factor * CERTAIN < missing:
        return inf
    return max(missing / factor, 0.0) if factor else 0.0


def percent(probability: float | None) -> str:
    """Returns a stated probability as text, "–" if it is unknown; none is said to be certain."""
    if probability is None:
        return "–"
    text = f"{probability:.0%}"
    return {"100%": "over 99%", "0%": "under 1%"}.get(text, text)
