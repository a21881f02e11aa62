"""Which values an image has: cut off, beyond what 16 bits hold, only every eighth, lighter than air."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from operators.intensities.finding import Finding, Kind
from operators.intensities.tissue_peaks import HIGHEST, LEAST_VOXELS, LOWEST, SOFT_HU, Histogram

# Noise and streaks below air were 0.004 of a real CT at most, padding apart
LIGHTER_HU, LIGHTER = -1150, 0.05
# 256 values: from air to bone there are more. And of all voxels at one value: what a window cuts off
EIGHT_BIT, CUT_BELOW, CUT_ABOVE = 255, 0.02, 5e-5
# What is cut off is so many times as frequent as the ten values beside it
SPIKE = 5
# Cortical bone reaches some 2,000; scanners with 12 bits end at 3,071, where only metal is cut off
LOWEST_CEILING = 2000
# More than half at an end of 16 bits is no image
MOST_AT_ENDS = 0.5
# Values that are all multiples of this, and a rest: bits that were moved up
STEP, STEPPED = 8, 0.99


def beyond_range(found: Histogram) -> Iterator[Finding]:
    """Most values are at an end of what 16 bits hold: the header makes other numbers of them than HU."""
    at_ends = found.at(LOWEST) + found.at(HIGHEST)
    if at_ends > MOST_AT_ENDS:
        yield Finding(Kind.BEYOND_RANGE, f"{at_ends:.0%} of the values at {LOWEST} or {HIGHEST}")


def windowed(found: Histogram) -> Iterator[Finding]:
    """A window that was applied to the values: 256 of them, or cut off at both ends."""
    low, high = found.lowest, found.highest
    at_low, at_high = found.at(low), found.at(high)
    if high - low <= EIGHT_BIT and at_low >= CUT_BELOW and high > 0:
        yield Finding(Kind.EIGHT_BITS, f"only {high - low + 1} values, {low} to {high}")
        return
    spike = max(CUT_ABOVE, SPIKE * found.share(high - 10, high - 1) / 10)
    if low > -900 and low != 0 and at_low >= CUT_BELOW and at_high >= spike:
        yield Finding(Kind.CUT_OFF, f"all below {low} and above {high} is cut off")


def cut_at_one_end(found: Histogram) -> str:
    """Where values were cut off at one end, '' where they were not.

    What was beyond is at the last value then, beside ordinary ones: a background has none beside it.
    """
    low, high = found.lowest, found.highest
    above_low, below_high = found.share(low + 1, low + 10) / 10, found.share(high - 10, high - 1) / 10
    if low > -900 and low != 0 and above_low > 0 and found.at(low) >= max(CUT_BELOW, SPIKE * above_low):
        return f"all below {low} is cut off"
    bone = SOFT_HU[1] < high < LOWEST_CEILING
    if bone and below_high > 0 and found.at(high) >= max(CUT_ABOVE, SPIKE * below_high):
        return f"all above {high} is cut off"
    return ""


def cut_off(found: Histogram) -> Iterator[Finding]:
    """Cut off at one end, in an image that proves nothing else."""
    cut = cut_at_one_end(found)
    if cut:
        yield Finding(Kind.CUT_OFF, cut)


def stepped(found: Histogram) -> Iterator[Finding]:
    """Whether only every eighth value occurs, the most frequent apart, which may be padding, and the ends."""
    counts = found.counts.copy()
    counts[np.argpartition(counts, -3)[-3:]] = 0
    counts[[found.lowest - LOWEST, found.highest - LOWEST]] = 0
    total = counts.sum()
    rests = counts.reshape(-1, STEP).sum(axis=0)
    if total >= LEAST_VOXELS / 10 and rests.max() >= STEPPED * total and np.count_nonzero(counts) > STEP:
        yield Finding(Kind.SCALED, f"only every {STEP}th value occurs")


def lighter_than_air(found: Histogram) -> Iterator[Finding]:
    """Too much of the image is lighter than air, which nothing is."""
    lighter = lighter_share(found)
    if lighter >= LIGHTER:
        yield Finding(Kind.LIGHTER, f"{lighter:.0%} of the image below {LIGHTER_HU}")


def lighter_share(found: Histogram) -> float:
    """The part of the image that is lighter than air; padding apart, which is of one value or two."""
    counts = found.counts[: LIGHTER_HU - LOWEST]
    return float((counts.sum() - np.sort(counts)[-2:].sum()) / found.voxels)


def no_negative(found: Histogram) -> Iterator[Finding]:
    """Noise, fat and marrow are below water; around a bone by itself all is 0, and 1 to 50 hardly occur."""
    if found.lowest > 0 or (found.lowest == 0 and found.share(1, 50) > 0.02):
        yield Finding(Kind.NO_NEGATIVE, f"no value below {found.lowest}")
