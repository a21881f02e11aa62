"""The labels that networks with classes for labels give a scan, and how certain they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LabelledScan:
    """Labels (I, J, K) of the scan's own voxels, the voxel count of each value, and its mean probability."""

    labels: NDArray[np.uint8]
    counts: Counts
    certainties: dict[int, float]


@dataclass(eq=False)
class Certainties:
    """The mean probability of each value over the voxels where it wins, accumulated part by part."""

    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros(256))
    counts: Counts = field(default_factory=lambda: np.zeros(256, np.int64))

    def add(self, values: NDArray[np.integer], sure: NDArray[np.floating]) -> None:
        """Adds voxels' values and their probabilities."""
        self.sums += np.bincount(values.ravel(), weights=sure.ravel(), minlength=256)
        self.counts += np.bincount(values.ravel(), minlength=256)

    def table(self) -> dict[int, float]:
        """Returns the mean probability, 0 to 1, of each value that won anywhere."""
        won = np.flatnonzero(self.counts).tolist()
        return {value: float(self.sums[value] / self.counts[value]) for value in won}


def kept_values(values: Sequence[int] | None) -> NDArray[np.uint8]:
    """Returns each label value (256,), or 0 for those that are none of `values`; None keeps all."""
    kept = np.arange(256, dtype=np.uint8)
    if values is not None:
        kept[~np.isin(kept, values)] = 0
    return kept
