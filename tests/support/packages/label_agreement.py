"""Required agreement of a result's labels with those of the original network."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operators.segmentation.segmentation import Segmentation


def assert_labels_of_original(result: Segmentation, expected: NDArray[np.uint8]) -> None:
    """Asserts for two classes: 0.9995 of the voxels equal, a Dice of 0.999 each, and a confidence."""
    got = result.label_map.labels
    assert len(np.unique(expected)) == 3
    assert (got == expected).mean() >= 0.9995
    for value in (1, 2):
        both = np.sum((got == value) & (expected == value))
        assert 2 * both / (np.sum(got == value) + np.sum(expected == value)) >= 0.999
    assert {segment.value for segment in result.segments} == {1, 2}
    assert all(0.3 < segment.network_mean <= 1 for segment in result.segments)
