"""Metrics of cases: detection of fractures, classification of images, attributes; the project's goals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import nan

import numpy as np

from benchmarks.accuracy.metrics import Aim
from benchmarks.accuracy.radiographs.cases import Cases, Value, found_in
from operators.packages.confidence import DIGITS as WHOLE_PERCENT
from operators.radiographs.answer import LIKELY
from training.radiograph.metrics import (
    Found,
    Truth,
    auc,
    balanced_point,
    matches,
    precision_of,
    score_limit,
    sensitivity,
)
from training.radiograph.report import FALSE_PER_IMAGE, Indices, calibration_error

# COCO's IoU from which a mask counts as found
LEAST_OVERLAP = 0.5
DIGITS = 3


@dataclass(frozen=True)
class Goal:
    """A goal of the project: a metric, its published values, its floor, and its aim."""

    name: str
    published: str
    floor: float
    aim: float
    at_least: bool
    of: Callable[[Cases], Value]

    def verdict(self, value: Value) -> str:
        """Returns whether the value meets floor and aim."""
        seen = value.value if value.known else None
        return Aim(self.name, self.floor, self.aim, self.at_least, DIGITS, seen, None).verdict


def mask_precision(cases: Cases) -> Value:
    """Returns COCO's average precision of masks at an IoU of 0.5, over fractured images."""
    own = cases.where(cases.fractured & cases.outlined)
    rows = [matches(found, LEAST_OVERLAP) for found in own.found if found is not None]
    fractures = [found.fractures for found in own.found if found is not None]

    def precision(at: Indices) -> float:
        return precision_of([row for k in at for row in rows[k]], sum(fractures[k] for k in at))

    return own.value(precision)


def fracture_sensitivity(cases: Cases, false_per_image: float = FALSE_PER_IMAGE) -> Value:
    """Returns the share of fractures hit at the threshold with that many false positives an image (FROC)."""
    own = cases.where(cases.outlined)

    def hit(at: Indices) -> float:
        found = [one for k in at if (one := own.found[k]) is not None]
        return sensitivity(found, false_per_image) if sum(one.fractures for one in found) else nan

    return own.value(hit)


def image_auc(cases: Cases) -> Value:
    """Returns the area under the ROC curve of the classification of images."""
    return cases.value(lambda at: auc(cases.scores[at], cases.fractured[at]))


def balanced_accuracy(cases: Cases) -> Value:
    """Returns the accuracy where sensitivity is closest to specificity."""
    return cases.value(lambda at: balanced_point(cases.scores[at], cases.fractured[at])[0])


def image_calibration_error(cases: Cases) -> Value:
    """Returns the expected calibration error of probabilities calibrated on other images."""
    return cases.value(lambda at: calibration_error(cases.fitted[at], cases.fractured[at]))


# Published: the authors' YOLOv8s-seg (Abedeen et al., Scientific Data 2023;10:521), whose validation images
# repeat training images; boxes of YOLOv8s, YOLOv11s and FracDet; the rest are classifiers on the same set
GOALS = (
    Goal(
        "mask mAP50, fractured images",
        "0.589 on 61 images, with leaks; boxes, retrained by others: 0.40 to 0.48",
        0.25,
        0.48,
        True,
        mask_precision,
    ),
    Goal(
        "AUC, fractured or not",
        "0.88 frozen foundation model; 0.82 the same with 500 labels",
        0.80,
        0.90,
        True,
        image_auc,
    ),
    Goal("accuracy at the balanced point", "0.78 to 0.82 ResNet-18", 0.80, 0.88, True, balanced_accuracy),
    Goal(
        f"sensitivity at {FALSE_PER_IMAGE} false positives an image",
        "-",
        0.50,
        0.70,
        True,
        fracture_sensitivity,
    ),
    Goal("expected calibration error", "-", 0.08, 0.03, False, image_calibration_error),
)


def share(cases: Cases, yes: Truth) -> Value:
    """Returns the share of cases for which `yes` is true."""
    return cases.value(lambda at: float(yes[at].mean()))


@dataclass(frozen=True)
class PointValues:
    """The performance of an operating point, as shares of images."""

    sensitivity: Value
    specificity: Value
    accuracy: Value
    uncertain: Value


def point_values(cases: Cases, name: str) -> PointValues:
    """Returns the performance of an operating point whose threshold was chosen on other images."""
    known = cases.where(~np.isnan(cases.fitted) & ~np.isnan(cases.thresholds[name]))
    return values_at(known, known.thresholds[name], known.margins, stated=False)


def shipped_point_values(cases: Cases, threshold: float, margin: float) -> PointValues:
    """Returns the performance of an operating point of the shipped decision."""
    every = np.ones(len(cases.rows))
    return values_at(cases, threshold * every, margin * every, stated=True)


def values_at(cases: Cases, thresholds: np.ndarray, margins: np.ndarray, *, stated: bool) -> PointValues:
    """Returns the performance of thresholds on the stated probabilities, or on cross-fitted ones."""
    probabilities, true = (cases.stated if stated else cases.fitted), cases.fractured
    # As a run states them
    probabilities = np.round(probabilities, WHOLE_PERCENT)
    called = probabilities >= thresholds
    low, high = np.maximum(thresholds - margins, 0), np.minimum(thresholds + margins, 1)
    return PointValues(
        share(cases.where(true), called[true]),
        share(cases.where(~true), ~called[~true]),
        share(cases, called == true),
        share(cases, (low < probabilities) & (probabilities < high)),
    )


def fractures_missed(cases: Cases, limit: float) -> tuple[int, int]:
    """Returns the number of fractures that no detection above a score hits, and the number of all."""
    found = [one for one in cases.found if one is not None]
    hit = sum(int((one.hit_scores > limit).sum()) for one in found)
    count = sum(one.fractures for one in found)
    return count - hit, count


def detection_limit(cases: Cases) -> float:
    """Returns the score above which there are FALSE_PER_IMAGE false positives an image."""
    found = [one for one in cases.found if one is not None]
    return score_limit(found, FALSE_PER_IMAGE) if found else nan


@dataclass(frozen=True)
class FindingCounts:
    """Findings that a run shows: how many, how many of them hit a fracture; fractures hit, and all."""

    shown: int
    right: int
    hit: int
    fractures: int


def finding_counts(cases: Cases) -> FindingCounts:
    """Counts the findings that a run shows, and the fractures that they hit."""
    found: list[Found] = [
        one for row in cases.where(cases.outlined).rows if (one := found_in(row, "findings")) is not None
    ]
    return FindingCounts(
        sum(len(one.scores) for one in found),
        sum(int(one.hits.any(1).sum()) for one in found),
        sum(int(one.hits.any(0).sum()) for one in found),
        sum(one.fractures for one in found),
    )


@dataclass(frozen=True)
class Recognition:
    """An attribute: how many images show it, the accuracy of its prediction, and of the best constant one."""

    name: str
    images: int
    accuracy: Value
    constant: float


def recognition(cases: Cases, name: str) -> Recognition:
    """Returns the accuracy with which an attribute is recognised."""
    there = cases.shows(name)
    right = there == np.array([row["said"][name] >= LIKELY for row in cases.rows], bool)
    constant = max(there.mean(), 1 - there.mean()) if len(there) else nan
    return Recognition(name, int(there.sum()), share(cases, right), float(constant))


def choice_recognition(cases: Cases, key: str, names: list[str]) -> Recognition:
    """Returns how often the most probable of some attributes is one that the image shows.

    Images that show none of them are left out.
    """
    own = cases.where(np.array([bool(set(names) & set(row["shows"])) for row in cases.rows], bool))
    right = np.array([row[key] in row["shows"] for row in own.rows], bool)
    constant = max((float(own.shows(name).mean()) for name in names), default=nan) if own.rows else nan
    return Recognition(key.replace("_", " "), len(own.rows), share(own, right), constant)
