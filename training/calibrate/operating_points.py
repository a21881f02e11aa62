"""Fits operating points: thresholds of the probability of a fracture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operators.packages.confidence import DIGITS, LIKELY, stated_probability
from operators.packages.operating_points import BALANCED, SENSITIVE, SPECIFIC
from training.calibrate.reliability import FEWEST, Scored

Floats = NDArray[np.float64]
# The sensitivity of the sensitive operating point, and the specificity of the specific one
WANTED = 0.9


def fit_operating_points(probabilities: Floats, true: NDArray[np.bool_]) -> dict[str, float]:
    """Returns the thresholds: with a sensitivity of WANTED, with sensitivity and specificity next to each
    other, and with a specificity of WANTED.
    """
    thresholds = np.unique(probabilities)
    sensitive = np.array([(probabilities[true] >= t).mean() for t in thresholds])
    specific = np.array([(probabilities[~true] < t).mean() for t in thresholds])
    balanced = int(np.abs(sensitive - specific).argmin())
    lowest = int(np.flatnonzero(sensitive >= WANTED)[-1])
    highest = int(np.flatnonzero(specific >= WANTED)[0]) if specific.max() >= WANTED else len(thresholds) - 1
    rows = {SENSITIVE: min(lowest, balanced), BALANCED: balanced, SPECIFIC: max(highest, balanced)}
    return {name: round(float(thresholds[at]), 3) for name, at in rows.items()}


def points_of(bones: Scored, line: tuple[float, ...], simulated: int) -> dict[str, float]:
    """Returns the operating points, none below LIKELY; bones from number `simulated` on are real.

    At the specific one every real intact bone stays whole. Empty without a calibration, or with too few
    broken or intact bones.
    """
    if not line or min(bones.true.sum(), (~bones.true).sum()) < FEWEST:
        return {}
    probabilities = np.array([stated_probability(line, score) for score in bones.scores], np.float64)
    points = fit_operating_points(probabilities, bones.true)
    real = (bones.case >= simulated) & ~bones.true
    above = float(probabilities[real].max(initial=0.0)) + 10**-DIGITS
    points[SPECIFIC] = max(points[SPECIFIC], above)
    return {name: round(max(least, LIKELY), DIGITS) for name, least in points.items()}
