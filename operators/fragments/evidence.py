"""Values of the fragment search: the fracture network's output for one bone, and its fragments."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Labels = NDArray[np.uint16]


@dataclass(frozen=True, eq=False)
class FractureEvidence:
    """The fracture network's output for one bone, arrays (I, J, K) on one isotropic grid.

    `bone` is the bone's mask, `others` that of the bones around it; `contact` is the probability of a
    surface between two fragments; `hu` the CT that the network read.
    """

    bone: NDArray[np.bool_]
    others: NDArray[np.bool_]
    contact: Array
    hu: Array
    spacing_mm: float


@dataclass(frozen=True)
class LeastOdds:
    """The log-odds from which a fracture is shown: over a `face` of pieces that touch, of a piece that lies
    `apart` from all others; and of the one face by which a `bone` is broken at all (see `decisive_odds`).

    A bone that is surely broken in one place may be less surely broken in others.
    """

    face: float = 0.0
    apart: float = 0.0
    bone: float = -inf


# What the decision itself was fitted for
EVEN = LeastOdds()


@dataclass(frozen=True, eq=False)
class Fragments:
    """Fragments of one bone: `labels` (I, J, K) 1, 2, ... by falling size, 0 outside; only 1 if intact.

    Log-odds: `contacts`, that a fracture separates two fragments that touch (the lower number first), or
    separates one that touches no other from the largest; `fractured`, that the bone is fractured at all: the
    highest of `contacts`, or of the faces that were merged if there are none.
    """

    labels: Labels
    contacts: dict[tuple[int, int], float]
    fractured: float

    def own(self, fragment: int) -> float:
        """Returns the log-odds that a fragment is a separate piece: those of its least certain contact."""
        return min((odds for pair, odds in self.contacts.items() if fragment in pair), default=self.fractured)
