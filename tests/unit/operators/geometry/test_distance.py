"""Distances agree with scipy's, also where there is no background."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from operators.geometry.distance import distance_mm

SPACING = (0.7, 1.2, 2.5)


def blobs(seed: int, level: float) -> NDArray[np.bool_]:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((23, 31, 17)), 2)
    found: NDArray[np.bool_] = noise > level * noise.std()
    return found


@pytest.mark.parametrize("level", [-2.0, 0.0, 1.5])
@pytest.mark.parametrize("seed", range(3))
def test_is_the_euclidean_distance(seed: int, level: float) -> None:
    mask = blobs(seed, level)
    expected = ndimage.distance_transform_edt(mask, sampling=SPACING)
    found = distance_mm(mask, SPACING)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_an_empty_mask_is_nowhere_away_from_the_outside() -> None:
    assert not distance_mm(np.zeros((4, 5, 6), bool), SPACING).any()


def test_without_an_outside_it_is_infinite() -> None:
    assert np.isinf(distance_mm(np.ones((4, 5, 6), bool), SPACING)).all()
