"""The rows of images as arrays, with calibration and operating points that are cross-fitted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan, nan

import numpy as np

from benchmarks.accuracy.radiographs.rows import RadiographRows, Row
from operators.packages.confidence import calibrated_probability
from training.calibrate.operating_points import fit_operating_points
from training.calibrate.reliability import Scored, cross_fitted, platt
from training.radiograph.fitting import UNCERTAIN
from training.radiograph.metrics import Floats, Found, Truth, interval
from training.radiograph.report import FOLDS, Indices, folds_of_names

DRAWS = 1000
Measure = Callable[[Indices], float]


@dataclass(frozen=True)
class Value:
    """A metric and 95 % of its bootstrap samples over images; NaN where it is unknown."""

    value: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        """Returns whether there is a value."""
        return not isnan(self.value)


UNKNOWN = Value(nan, nan, nan)


@dataclass(frozen=True, eq=False)
class Cases:
    """N images: `fractured`; `scores` (log-odds); the `stated` probabilities of a run.

    `fitted` probabilities, `thresholds` of each operating point and `margins` around them are fitted on other
    images; NaN where those were too few. `found` is None where it is unknown which pixels are fractured.
    `draws` is the number of bootstrap samples of an interval.
    """

    rows: tuple[Row, ...]
    found: tuple[Found | None, ...]
    fractured: Truth
    scores: Floats
    stated: Floats
    fitted: Floats
    thresholds: dict[str, Floats]
    margins: Floats
    draws: int = DRAWS

    @property
    def outlined(self) -> Truth:
        """Returns for each image whether its fractured pixels are known."""
        return np.array([found is not None for found in self.found], bool)

    def shows(self, name: str) -> Truth:
        """Returns for each image whether it shows an attribute."""
        return np.array([name in row["shows"] for row in self.rows], bool)

    def where(self, chosen: Truth) -> Cases:
        """Returns a subset of the cases, with what was fitted on all of them."""
        at = np.flatnonzero(chosen)
        return Cases(
            tuple(self.rows[k] for k in at),
            tuple(self.found[k] for k in at),
            self.fractured[at],
            self.scores[at],
            self.stated[at],
            self.fitted[at],
            {name: values[at] for name, values in self.thresholds.items()},
            self.margins[at],
            self.draws,
        )

    def value(self, of: Measure) -> Value:
        """Returns a metric over all cases, given by their indices, with its interval."""
        count = len(self.rows)
        if not count or isnan(value := of(np.arange(count))):
            return UNKNOWN
        return Value(value, *interval(of, count, self.draws))


def cases_of(rows: RadiographRows, draws: int = DRAWS) -> Cases:
    """Returns all images of the rows; calibration and operating points are fitted on other images."""
    images = rows.images
    true = np.array([row["fractured"] for row in images], bool)
    scores = np.array([row["score"] for row in images], float)
    fold = folds_of_names([row["file"] for row in images])
    fitted = cross_fitted(Scored(scores, true, fold))
    thresholds, margins = cross_fitted_points(scores, true, fold, list(rows.operating_points))
    return Cases(
        tuple(images),
        tuple(found_in(row) for row in images),
        true,
        scores,
        np.array([row["probability"] for row in images], float),
        fitted,
        thresholds,
        margins,
        draws,
    )


def cross_fitted_points(
    scores: Floats, true: Truth, fold: Indices, names: Sequence[str]
) -> tuple[dict[str, Floats], Floats]:
    """Returns each image's threshold by operating point, and its margin, as fitted on the other folds."""
    thresholds = {name: np.full(len(scores), nan) for name in names}
    margins = np.full(len(scores), nan)
    for part in range(FOLDS):
        out = fold == part
        line = platt(Scored(scores[~out], true[~out], fold[~out]))
        if not line:
            continue
        probabilities = np.array([calibrated_probability(line, score) for score in scores[~out]], float)
        points = fit_operating_points(probabilities, true[~out])
        for name in names:
            thresholds[name][out] = points.get(name, nan)
        margins[out] = np.quantile(np.abs(probabilities - points["balanced"]), UNCERTAIN)
    return thresholds, margins


def found_in(row: Row, key: str = "detections") -> Found | None:
    """Returns the detections of a row, or its findings."""
    if row[key] is None:
        return None
    shape = (len(row[key]), row["outlines"])
    return Found(
        np.array([one["score"] for one in row[key]], float),
        np.array([one["overlaps"] for one in row[key]], float).reshape(shape),
        np.array([one["hits"] for one in row[key]], bool).reshape(shape),
    )
