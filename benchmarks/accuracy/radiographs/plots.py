"""Draws the plots of docs/radiograph-accuracy.md as SVG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.accuracy.plots import COLOURS, save
from benchmarks.accuracy.radiographs.cases import Cases, Value
from benchmarks.accuracy.radiographs.measures import fracture_sensitivity, point_values, share
from training.calibrate.reliability import BINS, reliability
from training.radiograph.metrics import sensitivity
from training.radiograph.report import FALSE_PER_IMAGE

SIDE_INCHES = 4.2
# False positives an image: those with an interval, and the end of the axis
MARKED, MOST = (0.1, 0.25, 0.5, 1.0, 2.0), 2.0


def write_plots(cases: Cases, folder: Path) -> None:
    """Writes roc.svg, froc.svg and reliability.svg."""
    for name, draw in {"roc": draw_roc, "froc": draw_froc, "reliability": draw_reliability}.items():
        figure = Figure(figsize=(SIDE_INCHES, SIDE_INCHES), layout="constrained")
        axes = figure.subplots()
        draw(axes, cases)
        axes.set_ylim(0, 1)
        axes.grid(alpha=0.3)
        save(figure, folder / f"{name}.svg")


def draw_roc(axes: Any, cases: Cases) -> None:
    """Plots the ROC curve of images, and the operating points as fitted on other images."""
    order = np.argsort(-cases.scores, kind="stable")
    # Equal scores pass the threshold together
    last = np.append(np.diff(cases.scores[order]) != 0, True)
    true = cases.fractured[order]
    x, y = (np.append(0, (np.cumsum(part) / max(part.sum(), 1))[last]) for part in (~true, true))
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    axes.plot(x, y, color=COLOURS[0])
    for number, name in enumerate(cases.thresholds, 1):
        point = point_values(cases, name)
        if point.sensitivity.known and point.specificity.known:
            right, hit = point.specificity, point.sensitivity
            wrong = Value(1 - right.value, 1 - right.high, 1 - right.low)
            style = {"color": COLOURS[number], "capsize": 2, "label": name}
            axes.errorbar([wrong.value], [hit.value], bars(hit), bars(wrong), "o", **style)
    axes.set_xlim(0, 1)
    axes.set_xlabel("1 - specificity")
    axes.set_ylabel("sensitivity")
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc="lower right")


def bars(value: Value) -> list[list[float]]:
    """Returns the lengths of an interval's two halves, as matplotlib wants them."""
    return [[max(value.value - value.low, 0)], [max(value.high - value.value, 0)]]


def draw_froc(axes: Any, cases: Cases) -> None:
    """Plots the share of fractures hit against false positives an image."""
    found = [one for one in cases.found if one is not None]
    x = np.linspace(0, MOST, 81)
    if found:
        axes.plot(x, [sensitivity(found, each) for each in x], color=COLOURS[0])
    for each in MARKED:
        value = fracture_sensitivity(cases, each)
        if value.known:
            axes.errorbar([each], [value.value], bars(value), fmt="o", color=COLOURS[0], capsize=2)
    axes.axvline(FALSE_PER_IMAGE, color="grey", linestyle=":")
    axes.set_xlim(0, MOST * 1.02)
    axes.set_xlabel("false positives an image")
    axes.set_ylabel("share of fractures hit")


def draw_reliability(axes: Any, cases: Cases) -> None:
    """Plots the observed share of fractured images against the probability, with the images of each bin."""
    known = cases.where(~np.isnan(cases.fitted))
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":")
    if known.rows:
        found = reliability(known.fitted, known.fractured)
        bin_of = np.minimum((known.fitted * BINS).astype(int), BINS - 1)
        for number in np.flatnonzero(found.counts):
            own = known.where(bin_of == number)
            value = share(own, own.fractured)
            at = (float(found.predicted[number]), value.value)
            axes.errorbar([at[0]], [at[1]], bars(value), fmt="o", color=COLOURS[0], capsize=2)
            axes.annotate(str(len(own.rows)), at, (5, -10), textcoords="offset points", fontsize=7)
    axes.set_xlim(0, 1)
    axes.set_xlabel("probability of a fracture, calibrated on other images")
    axes.set_ylabel("share of images with a fracture")
