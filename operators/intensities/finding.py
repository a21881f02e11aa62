"""The findings about the values of a CT: Hounsfield units, another scale, or unknown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The kinds of finding about an image's values."""

    PROVED = "proved"
    UNKNOWN = "unknown"
    OFFSET = "offset"
    INVERTED = "inverted"
    SCALED = "scaled"
    LIGHTER = "lighter than air"
    EIGHT_BITS = "eight bits"
    CUT_OFF = "cut off"
    BEYOND_RANGE = "beyond range"
    NO_NEGATIVE = "no negative"


@dataclass(frozen=True)
class Finding:
    """A finding about an image's values, and its evidence; `offset` is by how much all values are too high.

    `cut` says at which end values were clipped, although the others prove to be Hounsfield units.
    """

    kind: Kind
    evidence: str = ""
    offset: int = 0
    cut: str = ""
