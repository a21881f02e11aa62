"""Checks the range of an image's values: clipped, beyond 16 bits, only every eighth, lighter than air."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from operators.intensities.finding import Finding, Kind
from operators.intensities.tissue_peaks import HIGHEST, LEAST_VOXELS, LOWEST, SOFT_HU, Histogram

# Noise and streaks below air had a share of at most 0.004 on real CT, without padding
LIGHTER_HU, LIGHTER = -1150, 0.05
# 256 values do not span air to bone; and the shares of all voxels at one value where a window clips
EIGHT_BIT, CUT_BELOW, CUT_ABOVE = 255, 0.02, 5e-5
# A clipped value is this many times as frequent as the ten values beside it
SPIKE = 5
# Cortical bone reaches about 2,000; scanners with 12 bits end at 3,071, where only metal is clipped
LOWEST_CEILING = 2000
# With more than half of its values at the ends of 16 bits, it is not an image
MOST_AT_ENDS = 0.5
# Values that are all multiples of this plus a constant: bits that were shifted up
STEP, STEPPED = 8, 0.99


def beyond_range(found: Histogram) -> Iterator[Finding]:
    """Finds values beyond 16 bits: most lie at an end of the range, as the header does not convert them."""
    at_ends = found.at(LOWEST) + found.at(HIGHEST)
    if at_ends > MOST_AT_ENDS:
        yield Finding(Kind.BEYOND_RANGE, f"{at_ends:.0%} of the values at {LOWEST} or {HIGHEST}")


def windowed(found: Histogram) -> Iterator[Finding]:
    """Finds a window that was applied to the values: only 256 values, or values clipped at both ends."""
    low, high = found.lowest, found.highest
    at_low, at_high = found.at(low), found.at(high)
    if high - low <= EIGHT_BIT and at_low >= CUT_BELOW and high > 0:
        yield Finding(Kind.EIGHT_BITS, f"only {high - low + 1} values, {low} to {high}")
        return
    spike = max(CUT_ABOVE, SPIKE * found.share(high - 10, high - 1) / 10)
    if low > -900 and low != 0 and at_low >= CUT_BELOW and at_high >= spike:
        yield Finding(Kind.CUT_OFF, f"all values below {low} and above {high} are clipped")


def cut_at_one_end(found: Histogram) -> str:
    """Returns at which end values were clipped, '' if they were not.

    Clipped values collect at the last value, beside ordinary ones; a background has none beside it.
    """
    low, high = found.lowest, found.highest
    above_low, below_high = found.share(low + 1, low + 10) / 10, found.share(high - 10, high - 1) / 10
    if low > -900 and low != 0 and above_low > 0 and found.at(low) >= max(CUT_BELOW, SPIKE * above_low):
        return f"all values below {low} are clipped"
    bone = SOFT_HU[1] < high < LOWEST_CEILING
    if bone and below_high > 0 and found.at(high) >= max(CUT_ABOVE, SPIKE * below_high):
        return f"all values above {high} are clipped"
    return ""


def cut_off(found: Histogram) -> Iterator[Finding]:
    """Finds values clipped at one end, in an image that proves nothing else."""
    cut = cut_at_one_end(found)
    if cut:
        yield Finding(Kind.CUT_OFF, cut)


def stepped(found: Histogram) -> Iterator[Finding]:
    """Finds images with only every eighth value, but for ends and the most frequent one (padding)."""
    counts = found.counts.copy()
    counts[np.argpartition(counts, -3)[-3:]] = 0
    counts[[found.lowest - LOWEST, found.highest - LOWEST]] = 0
    total = counts.sum()
    rests = counts.reshape(-1, STEP).sum(axis=0)
    if total >= LEAST_VOXELS / 10 and rests.max() >= STEPPED * total and np.count_nonzero(counts) > STEP:
        yield Finding(Kind.SCALED, f"only every {STEP}th value occurs")


def lighter_than_air(found: Histogram) -> Iterator[Finding]:
    """Finds images with too large a share lighter than air, as no tissue is."""
    lighter = lighter_share(found)
    if lighter >= LIGHTER:
        yield Finding(Kind.LIGHTER, f"{lighter:.0%} of the image below {LIGHTER_HU}")


def lighter_share(found: Histogram) -> float:
    """Returns the share of the image lighter than air, without padding, which has one value or two."""
    counts = found.counts[: LIGHTER_HU - LOWEST]
    return float((counts.sum() - np.sort(counts)[-2:].sum()) / found.voxels)


def no_negative(found: Histogram) -> Iterator[Finding]:
    """Finds images without negative values. Noise, fat and marrow are below water; around an isolated bone
    all is 0, and 1 to 50 hardly occur.
    """
    if found.lowest > 0 or (found.lowest == 0 and found.share(1, 50) > 0.02):
        yield Finding(Kind.NO_NEGATIVE, f"no value below {found.lowest}")
