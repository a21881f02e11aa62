"""Tables of docs/radiograph-accuracy.md and of the model card as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan, nan

import numpy as np

from benchmarks.accuracy.radiographs.cases import Cases, Value
from benchmarks.accuracy.radiographs.measures import (
    DIGITS,
    GOALS,
    PointValues,
    Recognition,
    balanced_accuracy,
    choice_recognition,
    detection_limit,
    fracture_sensitivity,
    fractures_missed,
    image_auc,
    mask_precision,
    point_values,
    recognition,
    shipped_point_values,
)
from benchmarks.accuracy.radiographs.rows import RadiographRows
from benchmarks.accuracy.tables import NONE, markdown, number
from operators.packages.operating_points import BALANCED
from training.radiograph.report import FALSE_PER_IMAGE

# The longer side of most published images
USUAL_PIXELS = 454


def figure(value: float | None) -> str:
    """Formats a metric, or a dash where it is unknown."""
    return number(None if value is None or isnan(value) else value, DIGITS)


def interval_text(value: Value) -> str:
    """Formats an interval, or a dash where it is unknown."""
    return f"{figure(value.low)} to {figure(value.high)}" if value.known and not isnan(value.low) else NONE


def with_interval(value: Value) -> str:
    """Formats a metric with its interval, or a dash where it is unknown."""
    return f"{figure(value.value)} ({interval_text(value)})" if value.known else NONE


def goal_table(cases: Cases) -> str:
    """Returns the table of the project's goals: published values, floors, aims, and the measured values."""
    heading = ("metric", "published", "floor", "aim", "here", "95 %", "floor met?")
    lines = []
    for goal in GOALS:
        value = goal.of(cases)
        limits = (f"{goal.floor:.2f}", f"{goal.aim:.2f}")
        reached = (figure(value.value), interval_text(value), goal.verdict(value))
        lines.append((goal.name, goal.published, *limits, *reached))
    return markdown(heading, lines)


def plain_table(cases: Cases) -> str:
    """Returns the same metrics of all images, and of those without metal."""
    metal = metal_of(cases)
    parts = {"all images": cases, "without metal": cases.where(~metal)}
    heading = ["metric", *(f"{name} ({len(part.rows)})" for name, part in parts.items())]
    return markdown(
        heading, [(goal.name, *(with_interval(goal.of(part)) for part in parts.values())) for goal in GOALS]
    )


def metal_of(cases: Cases) -> np.ndarray:
    """Returns for each image whether it shows metal."""
    return cases.shows("hardware")


def group_table(cases: Cases, groups: Mapping[str, np.ndarray], first: str) -> str:
    """Returns a table with a row for each group of images."""
    heading = (
        first,
        "images",
        "fractured",
        "mask mAP50",
        f"sensitivity at {FALSE_PER_IMAGE} false positives an image",
        "fractures missed",
        "AUC",
        "accuracy at the balanced point",
        "sensitivity",
        "specificity",
    )
    limit = detection_limit(cases)
    return markdown(heading, [group_line(name, cases.where(own), limit) for name, own in groups.items()])


def group_line(name: str, own: Cases, limit: float) -> tuple[str, ...]:
    """Returns the row of one group."""
    missed, fractures = fractures_missed(own, limit)
    point = point_values(own, BALANCED)
    values = (image_auc(own), balanced_accuracy(own), point.sensitivity, point.specificity)
    return (
        name,
        str(len(own.rows)),
        str(int(own.fractured.sum())),
        with_interval(mask_precision(own)),
        with_interval(fracture_sensitivity(own)),
        f"{missed} of {fractures}" if fractures else NONE,
        *map(with_interval, values),
    )


def body_parts(cases: Cases, rows: RadiographRows) -> dict[str, np.ndarray]:
    """Returns the images of each body part; an image may show several."""
    return {name: cases.shows(name) for name in rows.body_parts}


def sizes(cases: Cases) -> dict[str, np.ndarray]:
    """Returns the images of the usual published size, and larger ones."""
    longest = np.array([max(row["size"]) if row["size"] else nan for row in cases.rows])
    return {
        f"{USUAL_PIXELS} pixels or fewer": longest <= USUAL_PIXELS,
        "larger": longest > USUAL_PIXELS,
    }


def point_table(cases: Cases, rows: RadiographRows) -> str:
    """Returns a table of the operating points, fitted on other images, and as shipped."""
    heading = ("operating point", "threshold", "sensitivity", "specificity", "accuracy", "called uncertain")
    lines = []
    for name, threshold in rows.operating_points.items():
        chosen = cases.thresholds[name]
        mean = float(np.nanmean(chosen)) if not np.isnan(chosen).all() else nan
        lines.append((f"{name}, cross-fitted", figure(mean), *point_cells(point_values(cases, name))))
        shipped = shipped_point_values(cases, threshold, rows.margin)
        lines.append((f"{name}, as shipped", figure(threshold), *point_cells(shipped)))
    return markdown(heading, lines)


def point_cells(values: PointValues) -> tuple[str, ...]:
    """Returns the cells of an operating point."""
    shares = (values.sensitivity, values.specificity, values.accuracy, values.uncertain)
    return tuple(map(with_interval, shares))


def recognitions(cases: Cases, rows: RadiographRows) -> list[Recognition]:
    """Returns how often body part and view, and each attribute, are recognised."""
    chosen = [
        choice_recognition(cases, "body_part", rows.body_parts),
        choice_recognition(cases, "view", rows.views),
    ]
    return [*chosen, *(recognition(cases, name) for name in rows.attributes)]


def recognition_table(found: list[Recognition]) -> str:
    """Returns a table of attributes: images that show each, how often it is recognised."""
    heading = ("attribute", "images that show it", "accuracy", "best constant prediction")
    return markdown(
        heading,
        [(one.name, str(one.images), with_interval(one.accuracy), figure(one.constant)) for one in found],
    )


def fold_table(rows: RadiographRows) -> str:
    """Returns the table of a cross-validation: mean and spread of each metric, and each fold."""
    assert rows.cross_validation is not None
    folds, every = rows.cross_validation["folds"], rows.cross_validation["all"]
    heading = ("metric", "mean", "spread", *(f"fold {one['fold']}" for one in folds))
    counts = [
        (name, NONE, NONE, *(str(one[key]) for one in folds))
        for name, key in {"images": "measured", "fractured images": "fractured"}.items()
    ]
    lines = [
        (name, figure(all_["mean"]), figure(all_["spread"]), *(figure(one["metrics"][name]) for one in folds))
        for name, all_ in every.items()
    ]
    return markdown(heading, [*counts, *lines])


def baseline_table(cases: Cases, rows: RadiographRows) -> str:
    """Returns the table of this package beside a ResNet-18."""
    assert rows.baseline is not None
    own = tuple(map(with_interval, (image_auc(cases), balanced_accuracy(cases))))
    other = tuple(figure(rows.baseline.get(name)) for name in ("auc", "accuracy"))
    lines = [("this package", *own), ("ResNet-18", *other)]
    return markdown(("network", "AUC", "accuracy at the balanced point"), lines)
