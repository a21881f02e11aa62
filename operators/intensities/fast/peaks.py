"""Finds peaks as scipy.signal's find_peaks and peak_widths do.

The import of scipy.signal takes 0.4 s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Places = NDArray[np.intp]


def find_peaks(values: Values, least: float) -> tuple[Places, Values]:
    """Returns the places of peaks of at least this prominence, and their prominences.

    The middle of a plateau is its place; the first and the last value are no peaks.
    """
    places = local_maxima(values)
    prominences = prominences_of(values, places)
    kept = prominences >= least
    return places[kept], prominences[kept]


def local_maxima(values: Values) -> Places:
    """Returns the middle of each run of equal values between lower ones."""
    starts = np.flatnonzero(np.diff(values, prepend=np.nan) != 0)
    ends = np.append(starts[1:], len(values)) - 1
    heights = values[starts]
    higher = heights[1:] > heights[:-1]
    tops = np.flatnonzero(higher[:-1] & ~higher[1:]) + 1
    return (starts[tops] + ends[tops]) // 2


def prominences_of(values: Values, places: Places) -> Values:
    """Returns each peak's height above the higher one of the lowest values on both sides of it.

    Each side ends at a higher value.
    """
    if not len(places):
        return np.zeros(0)
    # The first and the last value may be higher than a peak, too
    tops = np.concatenate(([0], places, [len(values) - 1]))
    lowest = np.minimum.reduceat(values, tops[:-1])
    heights = values[tops].tolist()
    left = list(lows(heights, [np.inf, *lowest.tolist()]))
    right = list(lows(heights[::-1], [np.inf, *lowest[::-1].tolist()]))[::-1]
    found: Values = values[places] - np.maximum(left, right)[1:-1]
    return found


def lows(heights: Iterable[float], before: Iterable[float]) -> Iterator[float]:
    """Yields the lowest value between each top and the last higher one.

    `before` has the lowest value between each top and the one before it.
    """
    higher: list[tuple[float, float]] = []
    for height, low in zip(heights, before, strict=True):
        while higher and higher[-1][0] <= height:
            low = min(low, higher.pop()[1])
        higher.append((height, low))
        yield low


def width_of(values: Values, place: int, prominence: float) -> float:
    """Returns a peak's width halfway down its prominence, interpolated between values."""
    height = values[place] - prominence * 0.5
    first = int(np.flatnonzero(values[:place] <= height)[-1])
    last = place + 1 + int(np.flatnonzero(values[place + 1 :] <= height)[0])
    left, right = float(first), float(last)
    if values[first] < height:
        left += (height - values[first]) / (values[first + 1] - values[first])
    if values[last] < height:
        right -= (height - values[last]) / (values[last - 1] - values[last])
    return float(right - left)
