"""Cross-validation: the images of each fold, and one table of the metrics of all folds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from training.radiograph.datasets.cleaning import RadiographSet
from training.radiograph.datasets.groups import apart, folds_of, groups_of
from training.radiograph.loop.phased_trainer import Metrics, known


@dataclass(frozen=True)
class ImageFold:
    """A fold: the images trained on and those evaluated on, by index into a data set."""

    number: int
    trained: tuple[int, ...]
    held: tuple[int, ...]


@dataclass(frozen=True)
class FoldMetrics:
    """The metrics of a fold's network on the images that it was not trained on."""

    fold: int
    trained: int
    measured: int
    fractured: int
    metrics: Metrics


def folds_in(dataset: RadiographSet, count: int) -> list[ImageFold]:
    """Returns the folds of a data set, each without the file-number neighbours of its held-out part.

    Raises UsageError if there are fewer groups than folds.
    """
    fractured = [member.image.fractured for member in dataset.members]
    number = np.array(folds_of(groups_of(dataset.members, dataset.pairs), fractured, count))
    folds = []
    for fold in range(count):
        held = np.flatnonzero(number == fold).tolist()
        near = apart(dataset.members, dataset.pairs, held)
        trained = [at for at in np.flatnonzero(number != fold).tolist() if at not in near]
        folds.append(ImageFold(fold + 1, tuple(trained), tuple(held)))
    return folds


def content_of(results: Sequence[FoldMetrics]) -> dict[str, Any]:
    """Returns cross-validation.json: each fold, mean and spread of each metric; null if unknown."""
    folds = [asdict(one) | {"metrics": known(one.metrics)} for one in results]
    means = {
        name: known(dict(zip(("mean", "spread"), mean_and_spread(values), strict=True)))
        for name, values in metric_rows(results)
    }
    return {"folds": folds, "all": means}


def table_of(results: Sequence[FoldMetrics]) -> str:
    """Returns a table with a row for each metric: mean, standard deviation, and each fold."""
    head = ["metric", "mean", "spread", *(f"fold {one.fold}" for one in results)]
    counts = ["images", "", "", *(str(one.measured) for one in results)]
    rows = [[name, *map(number_text, (*mean_and_spread(row), *row))] for name, row in metric_rows(results)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), counts, *rows))


def metric_rows(results: Sequence[FoldMetrics]) -> list[tuple[str, list[float]]]:
    """Returns each metric with its value in every fold."""
    return [(name, [one.metrics[name] for one in results]) for name in results[0].metrics]


def mean_and_spread(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation of the known values (not NaN); NaN if there are too few."""
    there = [value for value in values if not math.isnan(value)]
    mean = float(np.mean(there)) if there else math.nan
    return mean, float(np.std(there, ddof=1)) if len(there) > 1 else math.nan


def number_text(value: float) -> str:
    """Returns a metric as text."""
    return "" if math.isnan(value) else f"{value:.3f}"
