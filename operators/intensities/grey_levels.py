"""The grey of a radiograph: the values that an image holds, and how they are spread from 0 to 1.

A radiograph has at most 16 bits: what is asked of its values is asked of the table of its levels, of which
there are 65,536 at most, instead of its pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operators.errors import UnsuitableError

Array = NDArray[np.float64]
# Whole numbers as they are stored, or numbers
Values = NDArray[Any]
Response = Callable[[Values], Values]

# A thumbnail shows no fracture line. Detectors have 4,300 pixels a side at most, three that are put together
# for a whole spine or leg some 10,000; 8192 x 8192 pixels of float32 are 256 MB
LEAST_SIDE, MOST_SIDE, MOST_PIXELS = 64, 1 << 14, 1 << 26
# Of the levels of what the image shows: the darkest and brightest half of a per cent, markers and metal, say,
# become black and white
PERCENTILES = (0.5, 99.5)
# A level at either end that so many pixels have is the air beside the patient, a shutter, or saturated
END_SHARE = 0.005
# Collimated rows and columns are even but for noise and scattered radiation, and for a letter that marks the
# side, which takes less than the twentieth at each end that is left out of the spread
FLAT_SHARE, SPREAD_PERCENTILES = 0.05, (5.0, 95.0)
# The patient fills at least so much of each side, or what is taken for a border is none
LEAST_SHOWN = 0.25
# 4 bits: no film is that coarse, and a page of text or a drawing has fewer
LEAST_LEVELS = 16
# With more at the ends nothing is left to see
LEAST_BETWEEN = 0.01
# A picture of which most lies within a tenth of the range from black to white is flat
LEAST_SPREAD = 0.1
# Of 255: rounding of a conversion from YCbCr, and of a lossy compression of equal channels
COLOUR_TOLERANCE = 3
# Samples along each side for the search of borders, and how often it is repeated within what it found: the
# border of one side hides the evenness of the other's
SAMPLES, ROUNDS = 512, 4
# Of which levels are counted: numpy makes 8 bytes of each pixel first, which these keep in the cache
ROWS_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class GreyLevels:
    """The levels of an image: `values` (N,), ascending, and how many pixels of what it shows have each."""

    values: NDArray[np.int64]
    counts: NDArray[np.int64]


def require_size(rows: int, columns: int) -> None:
    """Raises UnsuitableError for an image that is no radiograph by its size."""
    small = min(rows, columns) < LEAST_SIDE
    if small or max(rows, columns) > MOST_SIDE or rows * columns > MOST_PIXELS:
        text = (
            f"expected {LEAST_SIDE} to {MOST_SIDE} pixels along each side and at most {MOST_PIXELS} in all, "
            f"got {rows} rows of {columns}"
        )
        raise UnsuitableError(text, code="image_size")


def grey_of_colours(rgb: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Returns the grey (rows, columns) of three equal channels. Raises UnsuitableError for others."""
    first = rgb[..., 1]
    greatest = max(_distance(rgb[..., 0], first), _distance(rgb[..., 2], first))
    tolerance = COLOUR_TOLERANCE if rgb.dtype == np.uint8 else COLOUR_TOLERANCE << 8
    if greatest > tolerance:
        text = f"expected a grey image, got colours: channels differ by up to {greatest}"
        raise UnsuitableError(text, code="colour_image")
    return first


def _distance(one: NDArray[np.generic], other: NDArray[np.generic]) -> int:
    return int(np.abs(one.astype(np.int32) - other.astype(np.int32)).max(initial=0))


def unchanged(values: Values) -> Values:
    """Returns the values themselves: the response of an image that is stored as it looks."""
    return values


def levels_of(
    stored: NDArray[np.int32], padded: NDArray[np.bool_] | None = None, response: Response = unchanged
) -> GreyLevels:
    """Returns the levels of what an image (rows, columns) shows: without padding and even borders.

    `response` makes of values what borders are sought in. A border is rows or columns at an edge that are of
    one level within a twentieth of the image's spread: black or white, of a collimator, a shutter, a film's
    edge, or air. A border that runs aslant is not found; but percentiles leave out the lowest and the highest
    level where many pixels have it.
    """
    lowest = int(stored.min())
    values = np.arange(lowest, int(stored.max()) + 1, dtype=np.int64)
    box = _shown(stored, response)
    shown = stored[box]
    counts = np.zeros(len(values), np.int64)
    for top in range(0, len(shown), ROWS_AT_ONCE):
        rows = shown[top : top + ROWS_AT_ONCE]
        chosen = rows.ravel() if padded is None else rows[~padded[box][top : top + ROWS_AT_ONCE]]
        counts += np.bincount(chosen - lowest, minlength=len(values))
    return GreyLevels(values, counts)


def _shown(stored: NDArray[np.int32], response: Response) -> tuple[slice, slice]:
    """Returns the rows and columns between the borders."""
    down, across = (max(1, side // SAMPLES) for side in stored.shape)
    rows, columns = slice(0, stored.shape[0]), slice(0, stored.shape[1])
    for _ in range(ROUNDS):
        before = rows, columns
        sample = response(stored[rows, columns][::down, ::across])
        least = FLAT_SHARE * float(np.ptp(np.percentile(sample, SPREAD_PERCENTILES)))
        lines = response(stored[rows, columns][:, ::across])
        rows = _between(lines, rows, least, stored.shape[0])
        lines = response(stored[rows, columns][::down].T)
        columns = _between(lines, columns, least, stored.shape[1])
        if (rows, columns) == before:
            break
    return rows, columns


def _between(lines: Values, now: slice, least: float, side: int) -> slice:
    """Returns the lines (N, samples) at `now` without those at both ends that are even and of one level.

    A line along a bone's shaft may be even too, but not of the level of the air or collimator beside it.
    """
    low, level, high = _of_lines(lines, (SPREAD_PERCENTILES[0], 50.0, SPREAD_PERCENTILES[1]))
    even = high - low <= least
    begin, end = _run(even, level, least), _run(even[::-1], level[::-1], least)
    if len(lines) - begin - end < LEAST_SHOWN * side:
        return now
    return slice(now.start + begin, now.stop - end)


def _of_lines(lines: Values, percents: Sequence[float]) -> list[Array]:
    """Percentiles of each line (N, samples), the same numbers as `np.percentile`.

    That one partitions, which takes three times as long as sorting (numpy 2.4 with AVX-512, lines of 625).
    """
    ordered = np.sort(lines, axis=1)
    last = ordered.shape[1] - 1
    found = []
    for percent in percents:
        at = percent / 100 * last
        below = min(int(at), max(last - 1, 0))
        one, other = (ordered[:, min(n, last)].astype(np.float64) for n in (below, below + 1))
        share = at - below
        # From the nearer of the two, as numpy rounds
        found.append(one + (other - one) * share if share < 0.5 else other - (other - one) * (1 - share))
    return found


def _run(even: NDArray[np.bool_], level: Array, least: float) -> int:
    """Returns how many lines from the first on are even and of its level."""
    border = even & (np.abs(level - level[0]) <= least)
    return len(border) if border.all() else int(border.argmin())


def require_contrast(levels: GreyLevels) -> None:
    """Raises UnsuitableError for an image that is black, white, or of next to no levels."""
    total = int(levels.counts.sum())
    present = np.flatnonzero(levels.counts)
    if not total:
        raise UnsuitableError("expected an image, got nothing but padding", code="no_contrast")
    low, high = (levels.counts[present[end]] / total for end in (0, -1))
    between = 1 - low - high if len(present) > 1 else 0.0
    if len(present) < LEAST_LEVELS or between < LEAST_BETWEEN:
        text = (
            f"expected an image of at least {LEAST_LEVELS} levels of grey, got {len(present)} from "
            f"{levels.values[present[0]]} to {levels.values[present[-1]]}: {low:.1%} of the pixels have the "
            f"lowest and {high:.1%} the highest"
        )
        raise UnsuitableError(text, code="no_contrast")


def stretched(values: Array, levels: GreyLevels) -> Array:
    """Grey (N,) of each level's value (N,), from 0 at the lower percentile to 1 at the upper one."""
    low, high = percentiles(values, _without_ends(levels.counts))
    if high <= low:
        low, high = float(values.min()), float(values.max())
    return np.clip((values - low) / max(high - low, np.finfo(np.float64).tiny), 0.0, 1.0)


def percentiles(values: Array, counts: NDArray[np.int64]) -> tuple[float, float]:
    """Returns the two PERCENTILES of values (N,) that came so many times."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(counts[order])
    at = np.searchsorted(reached, np.array(PERCENTILES) / 100 * reached[-1], side="left")
    low, high = values[order[np.minimum(at, len(order) - 1)]]
    return float(low), float(high)


def _without_ends(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Without the lowest and the highest level where many pixels have it, unless too little is left."""
    present = np.flatnonzero(counts)
    rest = counts.copy()
    for end in {int(present[0]), int(present[-1])}:
        if counts[end] > END_SHARE * counts.sum():
            rest[end] = 0
    return rest if np.count_nonzero(rest) >= LEAST_LEVELS // 2 else counts


def is_flat(grey: Array, levels: GreyLevels) -> bool:
    """Returns whether each level's grey (N,) makes a picture nearly all black, white, or of one tone."""
    low, high = percentiles(grey, levels.counts)
    # What a screen of 8 bits shows as black and white
    between = levels.counts[(grey > 1 / 255) & (grey < 254 / 255)].sum()
    return high - low < LEAST_SPREAD or between < LEAST_BETWEEN * levels.counts.sum()
