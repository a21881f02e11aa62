"""What people changed of a result."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """What a corrected result changes of one segment: Dice with the prediction, and ml added and removed."""

    segment: str
    dice: float
    added_ml: float
    removed_ml: float
