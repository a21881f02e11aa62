"""Eight fixed procedural CTs, from seeds that training does not use."""

from __future__ import annotations

import numpy as np

from benchmarks.accuracy.cases.scan import Scan, scan_of
from training.phantoms import boneless_ct, phantom_ct
from training.phantoms.fractures import FRACTURES, jittered

# Seeds here are pairs of numbers, which differ from training's single numbers (numpy's SeedSequence)
SEED = 907
SPACING_MM = (1.0, 1.0, 1.0)


def simulated_scan(name: str) -> Scan:
    """Draws the CT with the fractures of that name, shifted by a few mm."""
    rng = np.random.default_rng((SEED, list(FRACTURES).index(name)))
    made = phantom_ct(rng, SPACING_MM, jittered(FRACTURES[name], rng))
    return Scan(made.ct, made.truth)


def boneless_scan(number: int) -> Scan:
    """Draws a body in which muscle replaces every bone; its ground truth is empty."""
    rng = np.random.default_rng((SEED, len(FRACTURES) + number))
    ct = boneless_ct(rng)
    return scan_of(ct.hu, np.zeros(ct.grid.shape, np.uint8), ct.grid)
