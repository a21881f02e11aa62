"""A source's cases, before any of them is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from training.datasets.label_maps import Labelled
from training.datasets.layout import LeftOut
from training.datasets.naming import Numbering


@dataclass(frozen=True, eq=False)
class SourceCase:
    """A case as its source lists it: its place there, its name, its patient if the source says who that is.

    `read` returns the image with its labels; it raises OsteonError if the case cannot be used.
    """

    place: str
    name: str
    read: Callable[[Numbering], Labelled]
    patient: str = ""


@dataclass(frozen=True, eq=False)
class Listing:
    """The cases of a source, what of it is no case, and the value of voxels that nobody labelled."""

    title: str
    cases: Sequence[SourceCase]
    left_out: Sequence[LeftOut] = ()
    ignore: int | None = None
