"""Fits the decision of a radiograph package: calibration, decoding, operating points, typical distance.

It is fitted on images that the networks were not trained on, read by the package as users run it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from operators.errors import UsageError
from operators.geometry.projection import Projection
from operators.networks.registry import Networks
from operators.packages.confidence import CERTAIN, log_odds, stated_probability
from operators.packages.radiograph import RadiographDecision, RadiographPackage
from operators.pipelines.radiograph import prepare, run_networks
from operators.radiographs.answer import RadiographOutput
from operators.radiographs.detections import FEWEST_PIXELS, Decoding, detections
from training.calibrate.operating_points import fit_operating_points
from training.calibrate.reliability import FEWEST, Scored, platt
from training.radiograph.datasets.radiograph import Radiograph
from training.radiograph.metrics import outline_fit
from training.radiograph.predictions import DECODINGS, Case, Prediction

Floats = NDArray[np.float64]
Tell = Callable[[float], None]
# The calibration of findings whose probability is never 0.5 or more
NEVER = (-CERTAIN, 0.0)
# The share of uncertain images at the balanced point
UNCERTAIN = 0.2
# The share of images of the trained kind that are recognised as such
TYPICAL = 0.97


@dataclass(frozen=True, eq=False)
class Answered:
    """An image, and the output of the package's networks."""

    image: Radiograph
    said: RadiographOutput

    @property
    def score(self) -> float:
        """The log-odds of a fracture, not calibrated."""
        return self.said.logit

    @property
    def case(self) -> Case:
        """The case for the metrics of training."""
        return Case(self.image, Prediction(self.said.probabilities, self.score))


def answer_all(
    package: RadiographPackage, networks: Networks, images: Sequence[Radiograph], tell: Tell
) -> list[Answered]:
    """Returns the networks' output for each image, as in a run."""
    found = []
    for number, image in enumerate(images, 1):
        shown = prepare(projection_of(image), package)
        said = run_networks(shown, networks, lambda *_: None).found
        found.append(Answered(image, said))
        tell(number / len(images))
    return found


def projection_of(image: Radiograph) -> Projection:
    """Returns the image as a run reads it from a file."""
    return Projection(image.pixels.astype(np.float32) / np.float32(255))


def fit_decision(
    before: RadiographDecision, answered: Sequence[Answered], fitted_on: str
) -> RadiographDecision:
    """Fits the decision on images that training never saw, which `require_enough` accepts.

    If too few detections are right, or too few wrong, no finding is ever shown.
    """
    true = np.array([each.image.fractured for each in answered])
    scores = np.array([each.score for each in answered])
    line = platt(Scored(scores, true, np.arange(len(true))))
    decoding = best_decoding(answered)
    findings = finding_line(answered, decoding) or NEVER
    # In whole percent, as they are stated and compared
    probabilities = np.array([stated_probability(line, each) for each in scores], float)
    points = fit_operating_points(probabilities, true)
    away = np.abs(probabilities - points["balanced"])
    return replace(
        before,
        image=(line[0], line[1]),
        finding=(findings[0], findings[1]),
        outline_threshold=decoding.threshold,
        outline_share=decoding.share,
        outline_dilation=decoding.dilation,
        least_pixels=FEWEST_PIXELS,
        operating_points=points,
        margin=round(float(np.quantile(away, UNCERTAIN)), 3),
        typical_distance=round(float(np.quantile([each.said.distance for each in answered], TYPICAL)), 3),
        fitted_on=fitted_on,
    )


def require_enough(images: Sequence[Radiograph]) -> None:
    """Raises UsageError if the images do not suffice to fit a decision."""
    fractured = sum(image.fractured for image in images)
    if min(fractured, len(images) - fractured) < FEWEST:
        raise UsageError(
            f"expected at least {FEWEST} fractured and {FEWEST} other images to fit the decision on, "
            f"got {fractured} and {len(images) - fractured}"
        )


def best_decoding(answered: Sequence[Answered]) -> Decoding:
    """Returns the decoding whose outlines of the fractured images fit best."""
    cases = [each.case for each in answered if each.image.fractured]
    return max(DECODINGS, key=lambda each: outline_fit([case.found(each) for case in cases]))


def finding_line(answered: Sequence[Answered], decoding: Decoding) -> tuple[float, ...]:
    """Platt scaling of findings; one is right if its peak lies in the box of a fracture."""
    scores, true, case = [], [], []
    for number, each in enumerate(answered):
        found = each.case.found(decoding)
        for one, hits in zip(detections(each.said.probabilities, decoding), found.hits, strict=True):
            scores.append(log_odds(one.score))
            true.append(bool(hits.any()))
            case.append(number)
    return platt(Scored(np.array(scores), np.array(true, bool), np.array(case)))
