"""The trunk in view: what the coarse network is sure of, wherever in the scan it lies."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from operators.bones.regions import trunk_voxels
from operators.geometry.volume import Grid

GRID = Grid((30, 20, 20), np.diag([4.0, 4.0, 4.0, 1.0]))


def look(*blocks: tuple[tuple[slice, slice, slice], float]) -> NDArray[np.float32]:
    """Returns probabilities of background and one unpaired bone, which has some in each block."""
    bone = np.zeros(GRID.shape, np.float32)
    for where, probability in blocks:
        bone[where] = probability
    return np.stack([1 - bone, bone])


def trunk_of(probabilities: NDArray[np.float32]) -> NDArray[np.bool_]:
    return trunk_voxels(probabilities.argmax(axis=0), probabilities, GRID.voxel_volume_mm3, [1])


LARGE = (slice(2, 12), slice(2, 12), slice(2, 12))
SMALL = (slice(24, 28), slice(2, 6), slice(2, 6))


def test_the_trunk_is_what_the_network_is_sure_of() -> None:
    trunk = trunk_of(look((LARGE, 0.9), (SMALL, 0.99)))
    assert trunk[LARGE].all()
    assert np.count_nonzero(trunk) == 1000


@pytest.mark.parametrize("block", [(LARGE, 0.7), (SMALL, 0.99)])
def test_what_is_doubtful_or_small_is_no_trunk(block: tuple[tuple[slice, slice, slice], float]) -> None:
    assert not trunk_of(look(block)).any()


def test_an_empty_scan_has_no_trunk() -> None:
    assert not trunk_of(look()).any()
