"""Draws the learning curves of all folds as SVG."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from training.calibrate.reliability_card import GREY, svg, text
from training.files import write_text

CURVES_FILE = "curves.svg"
WIDTH, HEIGHT, GAP, TOP = 320, 160, 56, 30
# Okabe and Ito's colours, which colour-blind readers tell apart (jfly.uni-koeln.de/color)
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
# Steps and values of each fold
Curves = Mapping[int, Sequence[tuple[float, float]]]
# What is drawn of a log: a row of panels for each
PANELS = {"loss": "loss, mean since the last point", "score": "Dice on patches of watched patients"}


def draw_curves(logs: Mapping[str, Mapping[int, Path]], folder: Path) -> Path:
    """Writes the curves of networks, by name and fold, and returns the picture."""
    path = folder / CURVES_FILE
    write_text(
        path, picture({name: {what: curves(rows, what) for what in PANELS} for name, rows in logs.items()})
    )
    return path


def curves(logs: Mapping[int, Path], what: str) -> Curves:
    """Returns the lines of a value in the logs of the folds."""
    found = {}
    for fold, log in logs.items():
        text = log.read_text(encoding="utf-8") if log.is_file() else ""
        rows = [json.loads(line) for line in text.splitlines()]
        found[fold] = [(row["step"], row[what]) for row in rows if what in row]
    return found


def picture(networks: Mapping[str, Mapping[str, Curves]]) -> str:
    """Returns the drawing: a column for each network, a row for each value, a colour for each fold."""
    width, height = len(networks) * (WIDTH + GAP) + GAP, len(PANELS) * (HEIGHT + GAP) + TOP + GAP
    panels = [
        f'<g transform="translate({GAP + column * (WIDTH + GAP)} {TOP + row * (HEIGHT + GAP)})">'
        f"{panel(f'{name}: {PANELS[what]}', lines, 1.0 if what == 'score' else None)}</g>"
        for column, (name, rows) in enumerate(networks.items())
        for row, (what, lines) in enumerate(rows.items())
    ]
    folds = sorted({fold for rows in networks.values() for lines in rows.values() for fold in lines})
    legend = [
        f'<g fill="{colour(fold)}">{text(GAP + 60 * at, height - 18, f"fold {fold}", "start")}</g>'
        for at, fold in enumerate(folds)
    ]
    return svg(width, height, "".join([*panels, *legend]))


def panel(title: str, lines: Curves, top: float | None) -> str:
    """Returns one diagram, steps to the right from 0, values up from 0 to `top` or the highest."""
    points = [point for line in lines.values() for point in line]
    last = max((step for step, _ in points), default=1.0) or 1.0
    high = top or max((value for _, value in points), default=1.0) or 1.0
    drawn = [
        f'<polyline fill="none" stroke="{colour(fold)}" points="'
        + " ".join(f"{WIDTH * step / last:.1f},{HEIGHT * (1 - value / high):.1f}" for step, value in line)
        + '"/>'
        for fold, line in lines.items()
    ]
    ticks = "".join(
        text(WIDTH * share, HEIGHT + 14, f"{last * share:.0f}", "middle")
        + text(-6, HEIGHT * (1 - share) + 3, f"{high * share:.2g}", "end")
        for share in (0, 0.5, 1)
    )
    frame = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="{GREY}"/>'
    return f"{frame}{''.join(drawn)}{ticks}{text(WIDTH / 2, -8, title, 'middle')}"


def colour(fold: int) -> str:
    """Returns the colour of a fold; after the last they begin again."""
    return COLOURS[(fold - 1) % len(COLOURS)]
