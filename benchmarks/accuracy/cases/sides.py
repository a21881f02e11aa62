"""Measures how much of a bone is labelled as its counterpart on the other side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.cases.turns import other_side
from operators.packages.packages import Label


def wrong_side_shares(
    prediction: NDArray[np.integer], truth: NDArray[np.integer], labels: Sequence[Label]
) -> dict[str, float]:
    """Returns for each paired bone of the ground truth the share of its voxels labelled as the wrong side.

    The share is of the voxels labelled as either side; bones without any are left out.
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
    """Returns the mask of a bone with all its fragments."""
    return (labels >= label.first_value) & (labels <= label.last_value)
