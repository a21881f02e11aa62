"""Eight procedural CTs, always the same ones, with fractures that training does not draw from their seeds."""

from __future__ import annotations

import numpy as np

from benchmarks.accuracy.cases.scan import Scan, scan_of
from training.phantoms import boneless_ct, phantom_ct
from training.phantoms.fractures import FRACTURES, jittered

# Training draws from single numbers; a pair of numbers is none of them (numpy's SeedSequence).
SEED = 907
SPACING_MM = (1.0, 1.0, 1.0)


def simulated_scan(name: str) -> Scan:
    """The CT with the fractures of that name, a few mm elsewhere."""
    rng = np.random.default_rng((SEED, list(FRACTURES).index(name)))
    made = phantom_ct(rng, SPACING_MM, jittered(FRACTURES[name], rng))
    return Scan(made.ct, made.truth)


def boneless_scan(number: int) -> Scan:
    """A body in which muscle takes the place of every bone; its truth is empty."""
    rng = np.random.default_rng((SEED, len(FRACTURES) + number))
    ct = boneless_ct(rng)
    return scan_of(ct.hu, np.zeros(ct.grid.shape, np.uint8), ct.grid)
