"""Figures as points and bars of SVG pictures, whose unit is a percent of the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.node.queue.jobs.job_search import Hour


@dataclass(frozen=True)
class Bar:
    """A part of an hour's bar: from the left, from the top, width and height; `kind` is its colour."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Curve:
    """A line through points, as SVG writes them, and the greatest value."""

    points: str
    highest: float


KINDS = ("delivered", "refused", "failed")


def bars(hours: Sequence[Hour]) -> list[Bar]:
    """Returns stacked bars of how jobs ended, one for each hour."""
    highest = max([sum(getattr(hour, kind) for kind in KINDS) for hour in hours], default=0) or 1
    width, found = 100 / max(len(hours), 1), []
    for place, hour in enumerate(hours):
        top = 100.0
        for kind in KINDS:
            height = 100 * getattr(hour, kind) / highest
            top -= height
            found.append(Bar(kind, place * width, top, width * 0.8, height))
    return [bar for bar in found if bar.height]


def curve(values: Sequence[float]) -> Curve:
    """Returns a line through values at equal distances, from 0 to the highest."""
    highest = max(values, default=0) or 1
    step = 100 / max(len(values) - 1, 1)
    points = (f"{place * step:.2f},{100 - 100 * value / highest:.2f}" for place, value in enumerate(values))
    return Curve(" ".join(points), highest)
