"""Metrics of the detection of fractures and of the classification of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from operators.radiographs.detections import Detection
from training.radiograph.datasets.radiograph import Mask

Floats = NDArray[np.float64]
Truth = NDArray[np.bool_]
# COCO's number of recall levels from 0 to 1
FIT_OVERLAPS = (0.4, 0.45, 0.5, 0.55, 0.6)
RECALLS = 101


@dataclass(frozen=True, eq=False)
class Found:
    """The detections of one image compared with its fractures.

    `scores` of the detections; `overlaps` (detections, fractures): intersection over union; `hits` of the
    same shape: whether a detection's peak lies in the box of a fracture.
    """

    scores: Floats
    overlaps: Floats
    hits: Truth

    @property
    def fractures(self) -> int:
        """The number of fractures."""
        return self.overlaps.shape[1]

    @cached_property
    def wrong_scores(self) -> Floats:
        """The scores of false positive detections."""
        return self.scores[~self.hits.any(1)]

    @cached_property
    def hit_scores(self) -> Floats:
        """The highest score of a detection that hits each fracture, -inf if none does."""
        return np.where(self.hits, self.scores[:, None], -np.inf).max(0, initial=-np.inf)


def compare(detections: Sequence[Detection], fractures: Sequence[Mask]) -> Found:
    """Compares detections with the true masks of one image."""
    overlaps = [[overlap(one.mask, mask) for mask in fractures] for one in detections]
    hits = [[in_box(one.peak, mask) for mask in fractures] for one in detections]
    shape = (len(detections), len(fractures))
    return Found(
        np.array([one.score for one in detections], float),
        np.array(overlaps, float).reshape(shape),
        np.array(hits, bool).reshape(shape),
    )


def overlap(one: Mask, other: Mask) -> float:
    """Intersection over union."""
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 0.0


def in_box(point: tuple[int, int], mask: Mask) -> bool:
    """Returns whether a pixel (row, column) lies in a mask's bounding box."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return bool(len(rows) and rows[0] <= point[0] <= rows[-1] and columns[0] <= point[1] <= columns[-1])


def average_precision(images: Sequence[Found], least_overlap: float = 0.5) -> float:
    """COCO's average precision of masks at one IoU; NaN if there are no fractures."""
    rows = [row for image in images for row in matches(image, least_overlap)]
    return precision_of(rows, sum(image.fractures for image in images))


def outline_fit(images: Sequence[Found]) -> float:
    """Mean of the average precision at IoUs about 0.5: at a single one, it hinges on few of the fractures."""
    return float(np.mean([average_precision(images, overlap) for overlap in FIT_OVERLAPS]))


def precision_of(rows: Sequence[tuple[float, bool]], fractures: int) -> float:
    """Returns the average precision of matched detections; NaN if the number of fractures is 0."""
    if not fractures:
        return float("nan")
    if not rows:
        return 0.0
    right = np.array([hit for _, hit in sorted(rows, key=lambda row: -row[0])])
    recall = np.cumsum(right) / fractures
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, np.linspace(0, 1, RECALLS) - 1e-9)
    return float(np.append(best, 0)[at].mean())


def matches(image: Found, least_overlap: float) -> list[tuple[float, bool]]:
    """Returns each detection's score, and whether it matches a fracture that no higher score has matched."""
    free = np.ones(image.fractures, bool)
    rows = []
    for at in np.argsort(-image.scores, kind="stable"):
        values = np.where(free, image.overlaps[at], -1)
        hit = bool(len(values)) and float(values.max()) >= least_overlap
        if hit:
            free[values.argmax()] = False
        rows.append((float(image.scores[at]), hit))
    return rows


def sensitivity(images: Sequence[Found], false_per_image: float) -> float:
    """Returns the share of fractures hit with at most that many false positives an image (FROC)."""
    threshold = score_limit(images, false_per_image)
    scores = np.concatenate([image.hit_scores for image in images])
    return int((scores > threshold).sum()) / max(len(scores), 1)


def score_limit(images: Sequence[Found], false_per_image: float) -> float:
    """Returns the score above which at most that many false positives an image remain; -inf if all do."""
    allowed = int(false_per_image * len(images))
    over = np.sort(np.concatenate([image.wrong_scores for image in images]))[::-1]
    return float(over[allowed]) if len(over) > allowed else -np.inf


def auc(scores: Floats, true: Truth) -> float:
    """Returns the area under the ROC curve; NaN unless there are both classes."""
    positives, negatives = int(true.sum()), int((~true).sum())
    if not positives or not negatives:
        return float("nan")
    ranks = stats.rankdata(scores)[true].sum()
    return float((ranks - positives * (positives + 1) / 2) / (positives * negatives))


def balanced_point(scores: Floats, true: Truth) -> tuple[float, float]:
    """Accuracy and threshold where sensitivity is closest to specificity; NaN without both classes."""
    if true.all() or not true.any():
        return float("nan"), float("nan")
    thresholds = np.unique(scores)
    below, negatives = (np.searchsorted(np.sort(part), thresholds) for part in (scores[true], scores[~true]))
    sensitive = (true.sum() - below) / true.sum()
    specific = negatives / (~true).sum()
    best = int(np.abs(sensitive - specific).argmin())
    return float(((scores >= thresholds[best]) == true).mean()), float(thresholds[best])


def interval(
    metric: Callable[[NDArray[np.int64]], float], count: int, draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Returns the central 95 % of a metric over bootstrap samples of `count` images, by indices."""
    rng = np.random.default_rng(seed)
    values = [metric(rng.integers(0, count, count)) for _ in range(draws)]
    known = [value for value in values if not np.isnan(value)]
    low, high = np.quantile(known, (0.025, 0.975)) if known else (np.nan, np.nan)
    return float(low), float(high)
