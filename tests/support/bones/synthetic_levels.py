"""Rules of a made row of bones with three regions, and evidence on its bones as a network would give it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import log_softmax

from operators.measure.levels.row_model import row_model
from operators.packages.levels import LevelEvidence, LevelRules, RegionOfRow

UPPER = tuple(f"C{n}" for n in range(1, 8))
MIDDLE = tuple(f"T{n}" for n in range(1, 14))
LOWER = tuple(f"L{n}" for n in range(1, 7))
RULES = LevelRules(
    regions=(
        RegionOfRow(UPPER, (1.0,), 0.01),
        RegionOfRow(MIDDLE, (0.02, 0.96, 0.02), 0.98),
        RegionOfRow(LOWER, (0.04, 0.91, 0.05), 0.02),
    ),
    unnamed="bone",
)
USUAL = (*UPPER, *MIDDLE[:12], *LOWER[:5])


@dataclass(frozen=True)
class Quality:
    """How good the evidence of a made network is.

    Scores of levels fall with the square of the distance over `width`, with `noise` on each; in a share of
    scans all levels are `shifted` by one. A rib is told with log-odds of about `ribs`.
    """

    width: float = 0.6
    noise: float = 1.0
    shifted: float = 0.02
    ribs: float = 3.0


def evidence_on(
    rng: np.random.Generator,
    row: tuple[str, ...],
    quality: Quality = Quality(),
    seen: tuple[bool, bool] = (False, False),
    with_ribs: bool = True,
) -> tuple[LevelEvidence, ...]:
    """Returns evidence on the bones of a row, whose true levels are given; `seen`: whether its ends are."""
    shift = int(rng.choice([-1, 0, 1], p=[quality.shifted / 2, 1 - quality.shifted, quality.shifted / 2]))
    made = [evidence_on_one(rng, level, quality, shift, with_ribs) for level in row]
    made[0] = replace(made[0], is_first=seen[0])
    made[-1] = replace(made[-1], is_last=seen[1])
    return tuple(made)


def evidence_on_one(
    rng: np.random.Generator, level: str, quality: Quality, shift: int, with_ribs: bool
) -> LevelEvidence:
    model = row_model(RULES)
    places = model.usual
    away = places - places[RULES.levels.index(level)] - shift
    # Levels that few people have are seldom called, unless they are there
    scores = -0.5 * (away / quality.width) ** 2 - 2.0 * (places % 1 > 0) * (away != 0)
    levels = log_softmax(scores + rng.normal(0, quality.noise, len(scores)))
    regions = np.array([np.logaddexp.reduce(levels[model.regions == n]) for n in range(len(RULES.regions))])
    bears = rng.random() < RULES.regions[int(model.regions[RULES.levels.index(level)])].ribs
    ribs = rng.normal(quality.ribs, 1) * (1 if bears else -1) if with_ribs else None
    return LevelEvidence(tuple(levels.tolist()), tuple(regions.tolist()), ribs)


def whole_row(rng: np.random.Generator) -> tuple[str, ...]:
    """Returns the levels of one person from top to bottom, with the variants that people have."""
    middle = int(rng.choice([11, 12, 13], p=[0.02, 0.96, 0.02]))
    lower = int(rng.choice([4, 5, 6], p=[0.04, 0.91, 0.05]))
    return (*UPPER, *MIDDLE[:middle], *LOWER[:lower])


def view_of(
    rng: np.random.Generator, row: tuple[str, ...], least: int = 1
) -> tuple[tuple[str, ...], bool, bool]:
    """Returns the levels in a random field of view, and whether either end of the row is in it."""
    count = int(rng.integers(least, len(row) + 1))
    first = int(rng.integers(0, len(row) - count + 1))
    return row[first : first + count], first == 0, first + count == len(row)
