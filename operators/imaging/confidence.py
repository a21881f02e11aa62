"""From the log-odds that decisions were made with to probabilities that hold on cases not seen before."""

from __future__ import annotations

from math import exp, log

# Beyond 1 in 3000 nothing here was ever counted, so no score says more
CERTAIN = 8.0


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
