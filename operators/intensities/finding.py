"""What the values of a CT turn out to be: Hounsfield units, others, or unknown."""

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
    """A finding about an image's values and its figures; `offset` is how much too high all values are.

    `cut` says at which end values were cut off, although the others prove to be Hounsfield units.
    """

    kind: Kind
    evidence: str = ""
    offset: int = 0
    cut: str = ""
