"""Calibrates scores and measures reliability: bins, Brier score, expected calibration error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from operators.packages.confidence import CERTAIN, calibrated_probability

BINS = 10
FOLDS = 5
# With fewer true or fewer false cases no probability is fitted
FEWEST = 5
Floats = NDArray[np.float64]
# A score (log-odds), whether it was true, and the number of its case (bone, CT)
Row = tuple[float, bool, int]


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores (log-odds) of N predictions, whether each was true, and the case (bone, CT) of each."""

    scores: Floats
    true: NDArray[np.bool_]
    case: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Reliability:
    """Predicted against observed: count, mean prediction and observed share of each bin; NaN if empty."""

    counts: NDArray[np.int64]
    predicted: Floats
    observed: Floats
    brier: float

    @property
    def error(self) -> float:
        """Returns the expected calibration error: mean of |observed - predicted|, weighted by counts."""
        there = self.counts > 0
        away = np.abs(self.predicted[there] - self.observed[there])
        return float(np.average(away, weights=self.counts[there]))


def scored(rows: list[Row]) -> Scored:
    """Builds Scored from rows."""
    scores, true, case = zip(*rows, strict=True) if rows else ((), (), ())
    return Scored(np.array(scores, float), np.array(true, bool), np.array(case, np.int64))


def platt(found: Scored) -> tuple[float, ...]:
    """Fits constant and factor of Platt scaling; empty if there are too few true or too few false cases.

    The targets lie slightly inside 0 and 1, by the rule for small sets (Platt 1999, section 2.2), so that
    separable scores have a finite solution. The factor is never negative.
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
    """Returns each probability as calibrated on the other folds; NaN where those hold too few cases."""
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
    """Sorts probabilities into ten bins of equal width; leaves out NaN."""
    known = ~np.isnan(probabilities)
    said, was = probabilities[known], true[known]
    bin_of = np.minimum((said * BINS).astype(int), BINS - 1)
    counts = np.bincount(bin_of, minlength=BINS)
    with np.errstate(invalid="ignore"):
        predicted = np.bincount(bin_of, said, minlength=BINS) / counts
        observed = np.bincount(bin_of, was, minlength=BINS) / counts
    brier = float(((said - was) ** 2).mean()) if len(said) else float("nan")
    return Reliability(counts, predicted, observed, brier)
