"""How a package names the bones of a row by their levels, as its package.toml states it, and from what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, with_config

from operators.packages.toml_files import STRICT

Share = Annotated[float, Field(ge=0, le=1)]
Chance = Annotated[float, Field(gt=0, lt=1)]


@with_config(STRICT)
@dataclass(frozen=True)
class RegionOfRow:
    """A region of a row of bones: its levels, by the names of their structures, from the top down.

    `ends` is the share of people whose region ends at each of its last levels; it sums to 1. `ribs` is the
    share of its bones that bear a rib.
    """

    levels: Annotated[tuple[str, ...], Field(min_length=1)]
    ends: Annotated[tuple[Share, ...], Field(min_length=1)]
    ribs: Chance


@with_config(STRICT)
@dataclass(frozen=True)
class LevelRules:
    """The levels of a row of bones, and how sure a naming must be.

    A naming is used from `least_probability` on; bones without one are called `unnamed`, a structure. Shares
    of bones: `fused` with the next one, `missed` by the outline (`missed_at_gap` where the spacing says so),
    `doubled`. `shifted` is the share of scans whose levels the network shifts by one, up or down; `weight`
    that of its evidence on one bone, as neighbours have errors in common, `partial_weight` of a cut bone;
    `wrong_end` the share of wrong reports that the row's first or last bone is in view. A naming is not used
    either if by its evidence bones are on average more than `contradicted` (a natural logarithm) less likely
    to be what it calls them than to be some other level, as in a scan that is upside down. Ribs count where
    the scan shows `beside_mm` or more on both sides of a bone.
    """

    regions: Annotated[tuple[RegionOfRow, ...], Field(min_length=1)]
    unnamed: str
    least_probability: Chance = 0.95
    fused: Chance = 0.003
    missed: Chance = 0.0003
    missed_at_gap: Chance = 0.5
    doubled: Chance = 0.0003
    shifted: Chance = 0.02
    weight: Annotated[float, Field(gt=0, le=1)] = 0.7
    partial_weight: Annotated[float, Field(gt=0, le=1)] = 0.5
    wrong_end: Chance = 0.01
    contradicted: Annotated[float, Field(gt=0)] = 2.0
    beside_mm: Annotated[float, Field(ge=0)] = 15.0

    @property
    def levels(self) -> tuple[str, ...]:
        """All levels that there can be, from the top down."""
        return tuple(level for region in self.regions for level in region.levels)


@dataclass(frozen=True)
class LevelEvidence:
    """What an image says of the level of one bone.

    Log-probabilities of the `levels` and the `regions` of LevelRules; `ribs` are the log-odds that it bears a
    rib, None where that is not in view. `is_partial`: the scan cuts it. `gap_below`: one seems to be missing
    below it. `is_first`, `is_last`: it is seen next to what the row begins at, or ends at.
    """

    levels: tuple[float, ...]
    regions: tuple[float, ...] = ()
    ribs: float | None = None
    is_partial: bool = False
    gap_below: bool = False
    is_first: bool = False
    is_last: bool = False
