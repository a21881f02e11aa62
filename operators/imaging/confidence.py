"""From the log-odds that decisions were made with to probabilities that hold on cases not seen before."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log

# Beyond 1 in 3000 nothing here was ever counted, so no score says more
CERTAIN = 8.0


@dataclass(frozen=True)
class Confidence:
    """How scores become probabilities: for each a constant and a factor, or nothing where none was fitted.

    `bone`: that a bone is there, from the log-odds of its mean probability; `fracture`: that it is
    fractured, from the log-odds of its most certain face; `contact`: that a face between two pieces is
    a fracture, from its log-odds (see FragmentRules). `fitted_on` says what they were fitted on.
    """

    bone: tuple[float, ...] = ()
    fracture: tuple[float, ...] = ()
    contact: tuple[float, ...] = ()
    fitted_on: str = ""


UNCALIBRATED = Confidence()


def log_odds(probability: float) -> float:
    """The log-odds of a probability, as far as CERTAIN."""
    least = 1 / (1 + exp(CERTAIN))
    clipped = min(max(probability, least), 1 - least)
    return log(clipped / (1 - clipped))


def calibrated(line: tuple[float, ...], score: float) -> float | None:
    """The probability that log-odds `score` stand for; None where `line` is empty: nothing was fitted.

    Platt's scaling (Platt 1999): `line` is a constant and a factor.
    """
    if not line:
        return None
    constant, factor = line
    return 1 / (1 + exp(-(constant + factor * min(max(score, -CERTAIN), CERTAIN))))
