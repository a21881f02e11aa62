"""How often, into how many pieces and how far apart simulated bones are broken."""

from __future__ import annotations

from dataclasses import dataclass

# Blood in a fresh fracture; textbooks give 30 to 45 HU fluid and 50 to 80 HU clotted
BLOOD_HU = (30.0, 80.0)


@dataclass(frozen=True)
class FractureRules:
    """Shares are of the cases in which the thing can happen at all.

    `smallest_mm3` is the smallest piece that the chain reports (FragmentRules.minimum_mm3); the others
    were set so that each kind is met often. Even a broken bone has more intact voxels than others: with
    0.45 of the bones intact, networks saw fewer fractures of unseen patients.
    """

    intact: float = 0.25
    most_cuts: int = 4
    most_fragments: int = 10
    smallest_mm3: float = 200.0
    comminuted: float = 0.2
    hairline: float = 0.3
    hairline_mm: tuple[float, float] = (0.3, 1.0)
    gap_mm: tuple[float, float] = (0.9, 4.0)
    impacted: float = 0.15
    undisplaced: float = 0.5
    shift_mm: float = 7.0
    turn_deg: float = 10.0
    dislocated: float = 0.06
    dislocation_mm: float = 40.0
