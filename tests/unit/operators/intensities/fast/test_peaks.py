"""Peaks, prominences and widths are scipy's, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage, signal

from operators.intensities.fast.peaks import find_peaks, width_of

LEAST = 1e-7


def assert_as_scipy(values: NDArray[np.float64]) -> None:
    places, prominences = find_peaks(values, LEAST)
    expected, features = signal.find_peaks(values, prominence=LEAST)
    np.testing.assert_array_equal(places, expected)
    np.testing.assert_array_equal(prominences, features["prominences"])
    widths = [width_of(values, *peak) for peak in zip(places.tolist(), prominences.tolist(), strict=True)]
    np.testing.assert_array_equal(widths, signal.peak_widths(values, places, rel_height=0.5)[0])


@given(st.lists(st.integers(0, 5), min_size=3, max_size=40))
def test_plateaus_equal_heights_and_high_ends(values: list[int]) -> None:
    assert_as_scipy(np.array(values, np.float64))


@pytest.mark.parametrize("seed", range(20))
def test_smoothed_counts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = np.bincount(
        rng.normal(3000, 10 ** rng.uniform(0, 3), 50_000).astype(int).clip(0), minlength=8192
    )
    smooth = ndimage.gaussian_filter1d(counts / counts.sum(), 8.0, mode="constant")
    assert_as_scipy(np.concatenate(([0.0], smooth, [0.0])))


@pytest.mark.parametrize("values", [[0.0, 0.0, 0.0], [1.0, 2.0, 3.0], [3.0, 1.0, 3.0], [2.0]])
def test_without_peaks(values: list[float]) -> None:
    places, prominences = find_peaks(np.array(values), LEAST)
    assert (len(places), len(prominences)) == (0, 0)
