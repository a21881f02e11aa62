"""How much of a bone bears the name of its fellow on the other side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.cases.turns import other_side
from operators.packages.packages import Label


def wrong_side_shares(
    prediction: NDArray[np.integer], truth: NDArray[np.integer], labels: Sequence[Label]
) -> dict[str, float]:
    """For each paired bone of the truth, of its voxels that were found under either side's name, the
    share under the wrong one. Bones of which nothing was found are left out.
    """
    shares = {}
    for label in labels:
        other = other_side(label, labels)
        found = prediction[within(truth, label)]
        if other is None or not (found_any := within(found, label) | within(found, other)).any():
            continue
        shares[label.name] = float(within(found, other).sum() / found_any.sum())
    return shares


def within(labels: NDArray[np.integer], label: Label) -> NDArray[np.bool_]:
    """Where a bone or any of its fragments is."""
    return (labels >= label.first_value) & (labels <= label.last_value)
