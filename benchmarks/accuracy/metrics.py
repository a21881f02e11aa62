"""Figures over rows: what a patient, a set of patients or the whole panel shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.accuracy.rows import Row

# A few voxels of a joint face go to the other side where two bones of a pair touch; more than this
# share of a bone is no joint face.
CONFUSED_SHARE = 0.05

Bones = list[dict[str, Any]]
Metric = Callable[[Sequence[Row]], float | None]


def bones_of(rows: Iterable[Row]) -> Bones:
    """Every bone of the truth of all rows."""
    return [bone for row in rows for bone in row["bones"]]


def fractured(bones: Bones) -> Bones:
    """Bones whose truth has two fragments or more."""
    return [bone for bone in bones if len(bone["fragments"]) > 1]


def intact(bones: Bones) -> Bones:
    """Bones whose truth is whole."""
    return [bone for bone in bones if len(bone["fragments"]) == 1]


def mean(values: Iterable[float]) -> float | None:
    """None of nothing."""
    known = list(values)
    return sum(known) / len(known) if known else None


def anatomy(measure: str) -> Metric:
    """Mean over the rows of the mean over their bones."""
    return lambda rows: mean(
        sum(bone["anatomy"][measure] for bone in row["bones"]) / len(row["bones"]) for row in rows
    )


def fragment_iou(rows: Sequence[Row]) -> float | None:
    """Mean over the fractured bones, in each over its fragments."""
    return mean(bone["fragment_iou"] for bone in fractured(split_rows(rows)))


def whole_iou(rows: Sequence[Row]) -> float | None:
    """Returns what `fragment_iou` would be with no bone split at all."""
    return mean(bone["whole_iou"] for bone in fractured(split_rows(rows)))


def fragments(measure: str) -> Metric:
    """Mean over all true fragments of fractured bones; one that was missed costs its size."""
    return lambda rows: mean(
        fragment["agreement"][measure]
        for bone in fractured(split_rows(rows))
        for fragment in bone["fragments"]
    )


def false_fragments(rows: Sequence[Row]) -> float | None:
    """Returns the mean number of pieces beyond one that an intact bone was cut into."""
    return mean(bone["false_fragments"] for bone in intact(split_rows(rows)))


def merges_and_splits(rows: Sequence[Row]) -> float | None:
    """Returns the mean number of merges and splits of a fractured bone."""
    return mean(bone["merges"] + bone["splits"] for bone in fractured(split_rows(rows)))


def split_rows(rows: Iterable[Row]) -> Bones:
    """The bones of rows that were not left whole on purpose."""
    return bones_of(row for row in rows if row.get("fragments", True))


def worst_side(row: Row) -> float:
    """The greatest share of a bone of the row under its fellow's name."""
    return max(row["wrong_side"].values(), default=0.0)


def confused(rows: Iterable[Row]) -> int:
    """Bones of which more than a joint face bears the other side's name."""
    return sum(share > CONFUSED_SHARE for row in rows for share in row["wrong_side"].values())


@dataclass(frozen=True)
class Aim:
    """A figure of the summary: the floor to be reached, the aim, and how it is computed and written.

    `at_least` tells whether higher is better.
    """

    name: str
    floor: float
    aim: float
    at_least: bool
    digits: int
    seen: float | None
    simulated: float | None

    @property
    def verdict(self) -> str:
        """Returns the verdict on the unseen patients, or on all runs; what was not measured is not met."""
        if self.seen is None:
            return "not measured"
        if self.reaches(self.aim):
            return "met, and the aim"
        return "met" if self.reaches(self.floor) else "not met"

    def reaches(self, limit: float) -> bool:
        """Whether the figure, as it is written, is as good as the limit."""
        seen = round(self.seen or 0.0, self.digits)
        return seen >= limit if self.at_least else seen <= limit
