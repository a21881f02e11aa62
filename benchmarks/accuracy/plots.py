"""Draws the plots of docs/accuracy.md from rows as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from app.evaluation.evaluation_picture import PALETTE
from benchmarks.accuracy import metrics
from benchmarks.accuracy.metrics import Aim
from benchmarks.accuracy.rows import Row
from benchmarks.accuracy.tables import case_name, change_of, scan_of

# The same rows give the same file: no date, no random identifiers
matplotlib.rcParams.update({"svg.hashsalt": "osteon", "svg.fonttype": "none", "font.size": 9})
NO_DATE = {"Date": None}
# Without black and yellow, which are hardly visible on a dark or a light page
COLOURS = ["#{:02x}{:02x}{:02x}".format(*rgb) for rgb in PALETTE if tuple(rgb) != (240, 228, 66)]
TURNS_DEG = (0, 10, 20, 30)


def write_plots(
    bones: Sequence[Row],
    changed: Sequence[Row],
    baselines: Mapping[str, Row],
    aims: Sequence[Aim],
    folder: Path,
) -> None:
    """Writes bones.svg and degradations.svg."""
    save(bones_plot(bones, aims), folder / "bones.svg")
    if changed:
        save(degradations_plot(changed, baselines), folder / "degradations.svg")


def save(figure: Figure, path: Path) -> None:
    """Saves an SVG with a white background, so that it is legible on a dark page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata=NO_DATE, facecolor="white")


def bones_plot(rows: Sequence[Row], aims: Sequence[Aim]) -> Figure:
    """Plots a point for each bone: its outline, and its fragments if it is fractured."""
    figure = Figure(figsize=(9, 1.6 + 0.28 * len(rows)), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    names = list(dict.fromkeys(bone["name"] for bone in metrics.bones_of(rows)))
    for panel, aim in zip(axes, aims[:2], strict=True):
        panel.set_title(aim.name)
        panel.axvline(aim.floor, color="grey", linestyle=":", label="floor")
        panel.axvline(aim.aim, color="grey", linestyle="--", label="aim")
        panel.grid(axis="y", alpha=0.3)
    for number, name in enumerate(names):
        for panel, points in zip(axes, points_of(rows, name), strict=True):
            x, y = zip(*points, strict=True) if points else ((), ())
            panel.plot(x, y, "o", color=COLOURS[number], label=name.replace("_", " "), alpha=0.85)
    axes[0].set_yticks(range(len(rows)), [case_name(row) for row in rows])
    axes[0].invert_yaxis()
    for panel in axes:
        panel.set_xlim(right=1.0)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


def points_of(rows: Sequence[Row], name: str) -> tuple[list[tuple[float, int]], list[tuple[float, int]]]:
    """Returns (IoU, row) of one bone: of its outline, and of its fragments."""
    own = [(line, bone) for line, row in enumerate(rows) for bone in row["bones"] if bone["name"] == name]
    outlines = [(bone["anatomy"]["iou"], line) for line, bone in own]
    broken = [(bone["fragment_iou"], line) for line, bone in own if len(bone["fragments"]) > 1]
    return outlines, broken


def degradations_plot(rows: Sequence[Row], baselines: Mapping[str, Row]) -> Figure:
    """Plots IoU against slice thickness, noise and rotation, a line for each scan and metric."""
    figure = Figure(figsize=(9, 5.4), layout="constrained")
    axes = figure.subplots(2, 3, sharey=True).ravel()
    series = {
        "slice thickness, mm": {1: "", 3: "slices 3 mm", 5: "slices 5 mm"},
        "added noise, HU": {0: "", **{sd: f"noise {sd} HU" for sd in (25, 50, 100)}},
        **{f"turned about {axis}, degrees": turns(axis) for axis in "xyz"},
    }
    for panel, (title, changes) in zip(axes, series.items(), strict=False):
        draw_series(panel, rows, baselines, changes)
        panel.set_xlabel(title)
        panel.set_xticks(list(changes))
        panel.grid(alpha=0.3)
    draw_others(axes[5], rows, list(baselines))
    axes[0].legend(fontsize=7)
    for panel in (axes[0], axes[3]):
        panel.set_ylabel("IoU")
        panel.set_ylim(0, 1)
    return figure


def turns(axis: str) -> dict[int, str]:
    """Returns the changes by angle about one axis; none at 0."""
    return {n: f"turned {n} degrees about {axis}" if n else "" for n in TURNS_DEG}


def draw_series(
    panel: Any, rows: Sequence[Row], baselines: Mapping[str, Row], changes: dict[int, str]
) -> None:
    """Plots a line for each scan and metric; the first point is the unchanged scan."""
    for number, (scan, base) in enumerate(baselines.items()):
        table = {change_of(row): row for row in rows if scan_of(row) == scan}
        found = {x: base if not change else table.get(change) for x, change in changes.items()}
        for figure, style, name in (
            (metrics.anatomy("iou"), "-o", "anatomy"),
            (metrics.fragment_iou, "--s", "fragments"),
        ):
            points = {x: figure([row]) for x, row in found.items() if row is not None}
            known = {x: y for x, y in points.items() if y is not None}
            if len(known) > 1:
                label, colour = f"{scan}, {name}", COLOURS[number]
                panel.plot(list(known), list(known.values()), style, color=colour, label=label)


def draw_others(panel: Any, rows: Sequence[Row], scans: Sequence[str]) -> None:
    """Plots changes without a strength: a bar for each scan's anatomy."""
    numbered = ("slices", "noise", "turned")
    others = [row for row in rows if not change_of(row).startswith(numbered)]
    names = list(dict.fromkeys(change_of(row) for row in others))
    width = 0.8 / max(len(scans), 1)
    for number, scan in enumerate(scans):
        own = [row for row in others if scan_of(row) == scan]
        places = [names.index(change_of(row)) + number * width for row in own]
        panel.bar(places, [metrics.anatomy("iou")([row]) for row in own], width, color=COLOURS[number])
    short = [name.replace("cut at the", "cut:") for name in names]
    panel.set_xticks([n + width / 2 for n in range(len(names))], short, rotation=20)
    panel.set_xlabel("anatomy")
