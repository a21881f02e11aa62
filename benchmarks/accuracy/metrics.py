"""Metrics over rows: of a patient, a set of patients, or the whole panel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.accuracy.rows import Row

# Where two bones of a pair touch, a few voxels of the joint surface go to the other side; a larger share of a
# bone than this is a confusion of sides
CONFUSED_SHARE = 0.05

Bones = list[dict[str, Any]]
Metric = Callable[[Sequence[Row]], float | None]


def bones_of(rows: Iterable[Row]) -> Bones:
    """Returns every bone of the ground truth of all rows."""
    return [bone for row in rows for bone in row["bones"]]


def fractured(bones: Bones) -> Bones:
    """Returns the bones with two true fragments or more."""
    return [bone for bone in bones if len(bone["fragments"]) > 1]


def intact(bones: Bones) -> Bones:
    """Returns the bones with one true fragment."""
    return [bone for bone in bones if len(bone["fragments"]) == 1]


def mean(values: Iterable[float]) -> float | None:
    """Returns the mean; None without values."""
    known = list(values)
    return sum(known) / len(known) if known else None


def anatomy(measure: str) -> Metric:
    """Returns the metric of outlines: mean over rows of the mean over their bones."""
    return lambda rows: mean(
        sum(bone["anatomy"][measure] for bone in row["bones"]) / len(row["bones"]) for row in rows
    )


def fragment_iou(rows: Sequence[Row]) -> float | None:
    """Returns the mean over fractured bones of the mean over their fragments."""
    return mean(bone["fragment_iou"] for bone in fractured(split_rows(rows)))


def whole_iou(rows: Sequence[Row]) -> float | None:
    """Returns the fragment IoU that would result without splitting any bone."""
    return mean(bone["whole_iou"] for bone in fractured(split_rows(rows)))


def fragments(measure: str) -> Metric:
    """Returns the metric of fragments: mean over all true fragments; a missed one costs its size."""
    return lambda rows: mean(
        fragment["agreement"][measure]
        for bone in fractured(split_rows(rows))
        for fragment in bone["fragments"]
    )


def false_fragments(rows: Sequence[Row]) -> float | None:
    """Returns the mean number of surplus fragments of an intact bone."""
    return mean(bone["false_fragments"] for bone in intact(split_rows(rows)))


def merges_and_splits(rows: Sequence[Row]) -> float | None:
    """Returns the mean number of merges and splits of a fractured bone."""
    return mean(bone["merges"] + bone["splits"] for bone in fractured(split_rows(rows)))


def split_rows(rows: Iterable[Row]) -> Bones:
    """Returns the bones of rows that include fragments."""
    return bones_of(row for row in rows if row.get("fragments", True))


def worst_side(row: Row) -> float:
    """Returns the greatest share of a bone of the row that is labelled as the other side."""
    return max(row["wrong_side"].values(), default=0.0)


def confused(rows: Iterable[Row]) -> int:
    """Counts the bones of which more than CONFUSED_SHARE is labelled as the other side."""
    return sum(share > CONFUSED_SHARE for row in rows for share in row["wrong_side"].values())


@dataclass(frozen=True)
class Aim:
    """A metric of the summary with its floor and aim, and its values on unseen patients and simulated CTs.

    `at_least`: higher is better. `digits`: decimal places in the table.
    """

    name: str
    floor: float
    aim: float
    at_least: bool
    digits: int
    seen: float | None = None
    simulated: float | None = None

    @property
    def verdict(self) -> str:
        """Returns whether the value on unseen patients, or on all runs, meets floor and aim."""
        if self.seen is None:
            return "not measured"
        if self.reaches(self.aim):
            return "met, and the aim"
        return "met" if self.reaches(self.floor) else "not met"

    def reaches(self, limit: float) -> bool:
        """Returns whether the value, rounded as in the table, is as good as the limit."""
        seen = round(self.seen or 0.0, self.digits)
        return seen >= limit if self.at_least else seen <= limit
