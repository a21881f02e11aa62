"""Checks by the positions of air, fat, muscle and water whether the values of a CT are Hounsfield units.

Nothing is lighter than air; from air to soft tissue there are about 1,050 units, from fat to soft tissue 150.
An image without these peaks (an isolated bone, an inner part of a body) proves and disproves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

import numpy as np

from operators.intensities.tissue_peaks import HIGHEST, LOWEST, WIDEST, Histogram, Peak, find_peaks

Band = tuple[int, int]

# The peaks on available real CTs (19 series, 5 manufacturers): air -1000 to -966, -1024 where it is clipped;
# fat -134 to -81; soft tissue -4 to 92, with contrast medium. The bands add about 20 on each side.
AIR_HU, FAT_HU, SOFT_HU = (-1060, -920), (-150, -60), (-30, 120)
AIR, FAT, SOFT = -1000, -100, 50
# Without air, fat and soft tissue prove it alone; their distance was 117 to 173
FAT_ALONE, SOFT_ALONE, APART = (-135, -70), (-15, 110), (105, 190)
# Intercepts of scanners, which are lost or added twice
USUAL, OTHER = 1024, 1000
# Fewer voxels, such as those of thumbnails, make no peaks
LEAST_VOXELS = 30_000
# Least share of an air peak, greatest share beyond it, and the share from which air counts as present
LEAST_AIR, BEYOND_AIR, SOME_AIR = 0.01, 0.003, 0.004
# Least share of air if any scale is tried, so that three peaks do not match by chance
MUCH_AIR = 0.03
# Share of fat and soft tissue in everything but air: 0.31 or more on real CT, 0.11 in isolated bones
LEAST_TISSUE = 0.25
# Share of an air peak at one value: more is padding, or the background of a mask
PADDING, NOTHING = 0.8, 0.98
# Lung, and edges between air and skin, fill the gap between air and fat less than tissues fill their range
GAP_SHARE = 0.5
# (fat - air) / (soft tissue - air): 0.84 to 0.88 on the real CT
FAT_RATIO, SLOPE = (0.825, 0.89), (0.93, 1.07)
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


class Kind(StrEnum):
    """The kinds of finding about an image's values."""

    PROVED = "proved"
    UNKNOWN = "unknown"
    OFFSET = "offset"
    INVERTED = "inverted"
    SCALED = "scaled"
    LIGHTER = "lighter than air"
    EIGHT_BITS = "eight bits"
    CUT_OFF = "cut off"
    BEYOND_RANGE = "beyond range"
    NO_NEGATIVE = "no negative"


@dataclass(frozen=True)
class Finding:
    """A finding about an image's values, and its evidence; `offset` is by how much all values are too high.

    `cut` says at which end values were clipped, although the others prove to be Hounsfield units.
    """

    kind: Kind
    evidence: str = ""
    offset: int = 0
    cut: str = ""


def check_values(found: Histogram, step_hu: float = 1.0) -> Finding:
    """Returns the most certain finding about an image whose values are `step_hu` apart by its header."""
    if found.voxels < LEAST_VOXELS:
        return Finding(Kind.UNKNOWN)
    return next(_findings(found, step_hu), Finding(Kind.UNKNOWN))


def _findings(found: Histogram, step_hu: float) -> Iterator[Finding]:
    peaks = find_peaks(found, step_hu)
    yield from _beyond_range(found)
    yield from _windowed(found)
    if step_hu < STEP / 2:
        yield from _stepped(found)
    # If values are too high by 1000, air lies at water and padding at air; if too low, padding at air and air
    # at soft tissue
    yield from _offsets(found, peaks, 1)
    yield from _proved(found, peaks)
    yield from _offsets(found, peaks, -1)
    yield from _lines(found, peaks)
    yield from _inverted(found, peaks)
    yield from _lighter_than_air(found)
    yield from _no_negative(found)
    yield from _cut_off(found)


def _proved(found: Histogram, peaks: Sequence[Peak]) -> Iterator[Finding]:
    """Proves Hounsfield units by air with fat or soft tissue as the most prominent other peak, or by both
    without air.
    """
    if _lighter(found) >= LIGHTER:
        return
    air, above_air = found.share(-1060, -900), found.share(-899, -740)
    first = max((p for p in peaks if p.value > -500), key=lambda peak: peak.prominence, default=None)
    in_place = first is not None and (_inside(first, FAT_HU) or _inside(first, SOFT_HU))
    if in_place and air >= max(SOME_AIR, 1.2 * above_air):
        named = _named(None, _strongest(peaks, FAT_HU), _strongest(peaks, SOFT_HU))
        yield Finding(Kind.PROVED, named, cut=_cut_at_one_end(found))
    fat, soft = _strongest(peaks, FAT_ALONE), _strongest(peaks, SOFT_ALONE)
    if not (fat and soft and APART[0] <= soft.value - fat.value <= APART[1]):
        return
    if fat.share + soft.share >= LEAST_TISSUE * (1 - found.share(LOWEST, -900)):
        yield Finding(Kind.PROVED, _named(None, fat, soft), cut=_cut_at_one_end(found))


def _offsets(found: Histogram, peaks: Sequence[Peak], sign: int) -> Iterator[Finding]:
    """Finds an offset of 1024, the usual one, unless only 1000 puts the peaks in place, or air decides for
    it.
    """
    usual, other = (_offset(found, peaks, sign * by) for by in (USUAL, OTHER))
    air = _air_level(found, AIR + sign * USUAL) if usual and other else None
    by_other = air is not None and abs(air - AIR - sign * OTHER) < abs(air - AIR - sign * USUAL)
    hit = other if by_other else usual or other
    if hit:
        yield hit


def _offset(found: Histogram, peaks: Sequence[Peak], by: int) -> Finding | None:
    air, fat, soft = (_strongest(peaks, band, by) for band in (AIR_HU, FAT_HU, SOFT_HU))
    if air is None or air.share < LEAST_AIR or not (fat or soft) or _beyond(found, air, 1050) > BEYOND_AIR:
        return None
    tissue = sum(peak.share for peak in (fat, soft) if peak)
    if tissue < LEAST_TISSUE * found.share(air.value + 150, HIGHEST):
        return None
    if found.share(by - 520, by - 250) > GAP_SHARE * found.share(by - 160, by + 150):
        return None
    # Padding of -2000, or the 0 around an isolated bone, is one value; air has many, unless it is clipped
    one_value = found.largest_share(air.value - 30, air.value + 30) / air.share
    if one_value > (PADDING if by < 0 else NOTHING) and not (by > 0 and fat and soft):
        return None
    return Finding(Kind.OFFSET, _named(air, fat, soft), by)


def _air_level(found: Histogram, near: int) -> float | None:
    """Returns where most of air lies, without the value at which it is clipped; None if air is only that
    value.
    """
    counts = found.counts[near - 60 - LOWEST : near + 60 - LOWEST].copy()
    everything = counts.sum()
    counts[counts.argmax()] = 0
    if counts.sum() < 0.2 * everything:
        return None
    # Smoothed by 7, so that the noise of the counts is less than the noise of air
    return float(np.convolve(counts, np.ones(7), "same").argmax() + near - 60)


def _lines(found: Histogram, peaks: Sequence[Peak]) -> Iterator[Finding]:
    """Finds air, fat and soft tissue at their relative distances, as if all values were scaled or
    inverted.
    """
    largest = sorted(peaks, key=lambda peak: -peak.prominence)[:6]
    for air in largest:
        for one, other in combinations([peak for peak in largest if peak is not air], 2):
            fat, soft = sorted((one, other), key=lambda peak: abs(peak.value - air.value))
            finding = _line(found, air, fat, soft)
            if finding:
                yield finding


def _line(found: Histogram, air: Peak, fat: Peak, soft: Peak) -> Finding | None:
    span = soft.value - air.value
    ratio, slope = (fat.value - air.value) / (span or 1), span / (SOFT - AIR)
    if not FAT_RATIO[0] <= ratio <= FAT_RATIO[1] or air.share < MUCH_AIR or abs(span) < 100:
        return None
    beyond, reach = _beyond(found, air, span), 40 * abs(slope)
    tissue = sum(found.share(peak.value - reach, peak.value + reach) for peak in (fat, soft))
    if beyond > BEYOND_AIR or tissue < LEAST_TISSUE * (1 - found.share(air.value - reach, air.value + reach)):
        return None
    if slope < 0:
        return Finding(Kind.INVERTED, _named(air, fat, soft))
    if not SLOPE[0] <= slope <= SLOPE[1]:
        # A dry bone has air in place, and humps of its own
        return None if _inside(air, AIR_HU) else Finding(Kind.SCALED, _named(air, fat, soft))
    offset = soft.value - SOFT
    return Finding(Kind.OFFSET, _named(air, fat, soft), offset) if abs(offset) > 150 else None


def _inverted(found: Histogram, peaks: Sequence[Peak]) -> Iterator[Finding]:
    """Finds an inverted image: air is the highest value, and soft tissue lies at its distance below it."""
    air = max((peak for peak in peaks if peak.share >= 0.1), key=lambda peak: peak.value, default=None)
    if air is None or _beyond(found, air, -1050) > BEYOND_AIR:
        return
    soft = _strongest(peaks, (air.value - (SOFT_HU[1] - AIR), air.value - (FAT_HU[0] - AIR)))
    if soft is None or found.largest_share(soft.value - 30, soft.value + 30) > NOTHING * soft.share:
        return
    if soft.share >= LEAST_TISSUE * found.share(LOWEST, air.value - 150):
        yield Finding(Kind.INVERTED, _named(air, None, soft))


def _beyond_range(found: Histogram) -> Iterator[Finding]:
    """Finds values beyond 16 bits: most lie at an end of the range, as the header does not convert them to
    HU.
    """
    at_ends = found.at(LOWEST) + found.at(HIGHEST)
    if at_ends > MOST_AT_ENDS:
        yield Finding(Kind.BEYOND_RANGE, f"{at_ends:.0%} of the values at {LOWEST} or {HIGHEST}")


def _windowed(found: Histogram) -> Iterator[Finding]:
    low, high = found.lowest, found.highest
    at_low, at_high = found.at(low), found.at(high)
    if high - low <= EIGHT_BIT and at_low >= CUT_BELOW and high > 0:
        yield Finding(Kind.EIGHT_BITS, f"only {high - low + 1} values, {low} to {high}")
        return
    spike = max(CUT_ABOVE, SPIKE * found.share(high - 10, high - 1) / 10)
    if low > -900 and low != 0 and at_low >= CUT_BELOW and at_high >= spike:
        yield Finding(Kind.CUT_OFF, f"all values below {low} and above {high} are clipped")


def _cut_at_one_end(found: Histogram) -> str:
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


def _cut_off(found: Histogram) -> Iterator[Finding]:
    """Finds values clipped at one end, in an image that proves nothing else."""
    cut = _cut_at_one_end(found)
    if cut:
        yield Finding(Kind.CUT_OFF, cut)


def _stepped(found: Histogram) -> Iterator[Finding]:
    """Finds images in which only every eighth value occurs, apart from the ends and the most frequent values
    (padding).
    """
    counts = found.counts.copy()
    counts[np.argpartition(counts, -3)[-3:]] = 0
    counts[[found.lowest - LOWEST, found.highest - LOWEST]] = 0
    total = counts.sum()
    rests = counts.reshape(-1, STEP).sum(axis=0)
    if total >= LEAST_VOXELS / 10 and rests.max() >= STEPPED * total and np.count_nonzero(counts) > STEP:
        yield Finding(Kind.SCALED, f"only every {STEP}th value occurs")


def _lighter_than_air(found: Histogram) -> Iterator[Finding]:
    lighter = _lighter(found)
    if lighter >= LIGHTER:
        yield Finding(Kind.LIGHTER, f"{lighter:.0%} of the image below {LIGHTER_HU}")


def _lighter(found: Histogram) -> float:
    """Returns the share of the image that is lighter than air, without padding, which has one value
    or two.
    """
    counts = found.counts[: LIGHTER_HU - LOWEST]
    return float((counts.sum() - np.sort(counts)[-2:].sum()) / found.voxels)


def _no_negative(found: Histogram) -> Iterator[Finding]:
    """Finds images without negative values. Noise, fat and marrow are below water; around an isolated bone
    all is 0, and 1 to 50 hardly occur.
    """
    if found.lowest > 0 or (found.lowest == 0 and found.share(1, 50) > 0.02):
        yield Finding(Kind.NO_NEGATIVE, f"no value below {found.lowest}")


def _inside(peak: Peak, band: Band, by: int = 0) -> bool:
    """Returns whether a narrow peak lies in a band that is shifted by `by`."""
    return band[0] + by <= peak.value <= band[1] + by and peak.width <= WIDEST


def _strongest(peaks: Sequence[Peak], band: Band, by: int = 0) -> Peak | None:
    """Returns the most prominent narrow peak in a band that is shifted by `by`; None if there is none."""
    inside = (peak for peak in peaks if _inside(peak, band, by))
    return max(inside, key=lambda peak: peak.prominence, default=None)


def _beyond(found: Histogram, air: Peak, span: float) -> float:
    """Returns the share of the image lighter than air, if soft tissue lies `span` from it, without
    padding.
    """
    away = int(air.value - 0.15 * span)
    low, high = (LOWEST, away) if span > 0 else (away, HIGHEST)
    return found.share(low, high) - found.largest_share(low, high)


def _named(air: Peak | None, fat: Peak | None, soft: Peak | None) -> str:
    peaks = {"air": air, "fat": fat, "soft tissue": soft}
    return ", ".join(f"{name} at {peak.value}" for name, peak in peaks.items() if peak)
