"""What is known of the level of one bone of a row, and how it was named."""

from __future__ import annotations

from dataclasses import dataclass


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


@dataclass(frozen=True)
class LevelName:
    """How one bone of a row was named, and the `probability` that all bones of the row are named rightly.

    `is_certain`: the naming is used; otherwise the bone is numbered. `likeliest` is its level in that naming
    either way, `own_probability` that of this level alone. `runner_up` is its level in the next likely
    naming, of `runner_up_probability`. `missing_below`: by the naming a bone below it was not outlined.
    `shown` is what people read.
    """

    likeliest: str
    is_certain: bool
    probability: float
    own_probability: float
    runner_up: str
    runner_up_probability: float
    missing_below: bool = False
    shown: str = ""
