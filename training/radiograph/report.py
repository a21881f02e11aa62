"""The metrics of a network on the development images, with intervals, as a table.

    python -m training.radiograph.report --data DATA --weights WEIGHTS [--weights MORE] [--out FILE]

WEIGHTS is a training's `state.pt` (its averaged weights) or `average-STEP.pt`; the predictions of several
are averaged. Decoding and calibration are cross-fitted: chosen on other images of the development set than
those they are evaluated on (five folds).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from training.calibrate.reliability import Scored, cross_fitted, reliability
from training.command_line import run
from training.radiograph.datasets.reading import read_dataset
from training.radiograph.loop.networks import Weights, network_of
from training.radiograph.loop.schedule import RECIPES
from training.radiograph.metrics import (
    Floats,
    Found,
    Truth,
    auc,
    average_precision,
    balanced_point,
    interval,
    outline_fit,
    sensitivity,
)
from training.radiograph.predictions import DECODINGS, Case, Prediction, predict_all
from training.radiograph.radiograph_recipe import RecipeName

FOLDS = 5
FALSE_PER_IMAGE = 0.5
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Metric:
    """A value and 95 % of its bootstrap samples over images."""

    name: str
    value: float
    low: float
    high: float


def main(
    *,
    data: Path,
    weights: tuple[Path, ...],
    recipe: RecipeName = "outlines",
    out: Path | None = None,
) -> None:
    """Prints the table."""
    torch.set_num_threads(1)
    images = read_dataset(data, "dev")
    row = RECIPES[recipe]
    networks = [network_of(read_weights(path), row) for path in weights]
    cases = mean_cases([predict_all(network, images, row.canvas) for network in networks])
    rows = metrics(cases)
    print("\n".join(f"| {one.name} | {one.value:.3f} | {one.low:.3f} to {one.high:.3f} |" for one in rows))
    if out:
        out.write_text(json.dumps([vars(one) for one in rows], indent=1), encoding="utf-8")


def read_weights(path: Path) -> Weights:
    """Returns the averaged weights of a training's state, or of one of its steps."""
    kept = torch.load(path, map_location="cpu", weights_only=True)
    return kept.get("average", kept)


def mean_cases(runs: Sequence[Sequence[Case]]) -> list[Case]:
    """Returns the cases of several networks, their predictions averaged."""
    return [
        Case(
            same[0].image,
            Prediction(
                np.mean([case.prediction.probabilities for case in same], 0),
                float(np.mean([case.prediction.logit for case in same])),
            ),
        )
        for same in zip(*runs, strict=True)
    ]


def metrics(cases: Sequence[Case]) -> list[Metric]:
    """Returns all metrics of the cases, and those of images without metal."""
    plain = [case for case in cases if not case.image.hardware]
    return [*masks(cases), *classes(cases, ""), *classes(plain, ", without metal")]


def masks(cases: Sequence[Case]) -> list[Metric]:
    """Mask mAP50 of fractured images, and sensitivity at a number of false positives an image."""
    cases = [case for case in cases if case.image.outlined]
    found = cross_decoded(cases)
    outlined = [one for one, case in zip(found, cases, strict=True) if case.image.fractured]
    return [
        metric(
            "mask mAP50, fractured images",
            lambda at: average_precision([outlined[k] for k in at]),
            len(outlined),
        ),
        metric(
            f"sensitivity at {FALSE_PER_IMAGE} false positives an image",
            lambda at: sensitivity([found[k] for k in at], FALSE_PER_IMAGE),
            len(found),
        ),
    ]


def cross_decoded(cases: Sequence[Case]) -> list[Found]:
    """Returns the detections of each case, with the decoding that is best on the other folds."""
    table = [[case.found(decoding) for case in cases] for decoding in DECODINGS]
    fold = folds(cases)
    chosen = [
        max(table, key=lambda row: outline_fit([row[k] for k in np.flatnonzero(fold != part)]))
        for part in range(FOLDS)
    ]
    return [chosen[fold[k]][k] for k in range(len(cases))]


def folds(cases: Sequence[Case]) -> Indices:
    """Returns the fold of each case, see `folds_of_names`."""
    return folds_of_names([case.image.name for case in cases])


def folds_of_names(names: Sequence[str]) -> Indices:
    """Returns the fold of each image: runs of consecutive images stay together, as examinations do."""
    order = np.argsort(names, kind="stable")
    fold = np.empty(len(names), np.int64)
    fold[order] = np.arange(len(names)) * FOLDS * 4 // len(names) % FOLDS
    return fold


def classes(cases: Sequence[Case], of: str) -> list[Metric]:
    """Metrics of the classification of images."""
    true = np.array([case.image.fractured for case in cases])
    scores = np.array([case.prediction.logit for case in cases])
    probabilities = cross_fitted(Scored(scores, true, folds(cases)))
    table: dict[str, Callable[[Indices], float]] = {
        "AUC": lambda at: auc(scores[at], true[at]),
        "accuracy at the balanced point": lambda at: balanced_point(scores[at], true[at])[0],
        "calibration error (ECE)": lambda at: calibration_error(probabilities[at], true[at]),
    }
    return [metric(f"{name}{of}", function, len(cases)) for name, function in table.items()]


def calibration_error(probabilities: Floats, true: Truth) -> float:
    """Returns the expected calibration error in ten bins; NaN if no probability is known."""
    known = ~np.isnan(probabilities)
    return reliability(probabilities, true).error if known.any() else float("nan")


def metric(name: str, of: Callable[[Indices], float], count: int) -> Metric:
    """Returns a metric of all cases, with its interval."""
    return Metric(name, of(np.arange(count)), *interval(of, count))


if __name__ == "__main__":
    run(main, __doc__)
