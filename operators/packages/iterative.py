"""How a package whose bones lie in a row has them outlined one by one, as its package.toml states it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, with_config

from operators.packages.toml_files import STRICT

# The classes of a network that outlines one bone at a time, and its conditioning channel: the bones that are
# already outlined
ONE_BY_ONE_CLASSES = ("background", "whole", "partial")
MEMORY = "memory"


@with_config(STRICT)
@dataclass(frozen=True)
class IterativeRules:
    """When a bone of a row counts as found, left out, or outlined twice.

    The row lies between bones of two classes of the fine network, `begins_at` above and `ends_at` below;
    empty if it has no such end, and seen where it has a piece of `end_ml` or more. `neighbours` are classes
    of bones that touch those of the row, which outline no part of them. A bone has at least
    `minimum_ml`, one that is cut off by the scan `minimum_partial_ml`. The distance between the centres of
    two neighbours is compared with the median of the `around` distances on either side: at `skipped` times
    that median a bone is missing between the two, at `doubled` times it they are parts of one.
    """

    minimum_ml: Annotated[float, Field(gt=0)]
    minimum_partial_ml: Annotated[float, Field(gt=0)]
    begins_at: str = ""
    ends_at: str = ""
    neighbours: tuple[str, ...] = ()
    end_ml: Annotated[float, Field(ge=0)] = 10.0
    skipped: Annotated[float, Field(gt=1)] = 1.6
    doubled: Annotated[float, Field(gt=0, lt=1)] = 0.55
    around: Annotated[int, Field(ge=1)] = 2

    @property
    def ends(self) -> tuple[str, ...]:
        """The classes of the bones that the row lies between."""
        return tuple(name for name in (self.begins_at, self.ends_at) if name)

    @property
    def others(self) -> tuple[str, ...]:
        """The classes of all bones around the row that matter to it."""
        return (*self.ends, *self.neighbours)
