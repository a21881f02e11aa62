"""How one bone of a row was named."""

from __future__ import annotations

from dataclasses import dataclass


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
