"""Calibration of scores, and how far calibrated probabilities hold: bins, Brier score, calibration error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from operators.packages.confidence import CERTAIN, calibrated_probability

BINS = 10
FOLDS = 5
# Fewer of one kind say nothing of a probability
FEWEST = 5
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores (log-odds) of N things, whether each was so, and the case (bone, CT) that it came from."""

    scores: Floats
    true: NDArray[np.bool_]
    case: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Reliability:
    """Predicted against observed: of each bin the count, mean prediction, share that was so; NaN if empty."""

    counts: NDArray[np.int64]
    predicted: Floats
    observed: Floats
    brier: float

    @property
    def error(self) -> float:
        """Expected calibration error: the mean distance of observed from predicted, by counts."""
        there = self.counts > 0
        away = np.abs(self.predicted[there] - self.observed[there])
        return float(np.average(away, weights=self.counts[there]))


def scored(rows: list[tuple[float, bool, int]]) -> Scored:
    """Rows of score, whether it was so, and case."""
    scores, true, case = zip(*rows, strict=True) if rows else ((), (), ())
    return Scored(np.array(scores, float), np.array(true, bool), np.array(case, np.int64))


def platt(found: Scored) -> tuple[float, ...]:
    """Constant and factor of Platt's scaling; nothing where too few are so, or too few are not.

    The targets stand a little within 0 and 1, by his rule for small sets (Platt 1999, section 2.2), so
    that scores which part the set wholly have a finite answer. A score never counts against itself.
    """
    yes, no = int(found.true.sum()), int((~found.true).sum())
    if min(yes, no) < FEWEST:
        return ()
    target = np.where(found.true, (yes + 1) / (yes + 2), 1 / (no + 2))
    x = np.clip(found.scores, -CERTAIN, CERTAIN)

    def loss(line: Floats) -> float:
        odds = line[0] + line[1] * x
        return float((np.logaddexp(0, odds) - target * odds).sum())

    line = optimize.minimize(loss, np.array([0.0, 1.0]), bounds=[(None, None), (0, None)]).x
    return round(float(line[0]), 3), round(float(line[1]), 3)


def cross_fitted(found: Scored) -> Floats:
    """The probability of each, calibrated on the other cases alone; NaN where those are too few."""
    cases, number = np.unique(found.case, return_inverse=True)
    order = np.random.default_rng(0).permutation(len(cases))[number]
    probabilities = np.full(len(found.scores), np.nan)
    for fold in range(FOLDS):
        out = order % FOLDS == fold
        line = platt(Scored(found.scores[~out], found.true[~out], found.case[~out]))
        for at in np.flatnonzero(out):
            value = calibrated_probability(line, float(found.scores[at]))
            probabilities[at] = np.nan if value is None else value
    return probabilities


def reliability(probabilities: Floats, true: NDArray[np.bool_]) -> Reliability:
    """Ten bins of the same width; what has no probability is left out."""
    known = ~np.isnan(probabilities)
    said, was = probabilities[known], true[known]
    bin_of = np.minimum((said * BINS).astype(int), BINS - 1)
    counts = np.bincount(bin_of, minlength=BINS)
    with np.errstate(invalid="ignore"):
        predicted = np.bincount(bin_of, said, minlength=BINS) / counts
        observed = np.bincount(bin_of, was, minlength=BINS) / counts
    brier = float(((said - was) ** 2).mean()) if len(said) else float("nan")
    return Reliability(counts, predicted, observed, brier)
