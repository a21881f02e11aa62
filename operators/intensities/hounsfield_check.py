"""Checks by the positions of air, fat, muscle and water whether the values of a CT are Hounsfield units.

Nothing is lighter than air; from air to soft tissue there are about 1,050 units, from fat to soft tissue 150.
An image without these peaks (an isolated bone, an inner part of a body) proves and disproves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from operators.intensities.finding import Finding, Kind
from operators.intensities.tissue_peaks import (
    AIR_HU,
    FAT_HU,
    HIGHEST,
    LEAST_VOXELS,
    LOWEST,
    SOFT_HU,
    WIDEST,
    Histogram,
    Peak,
    find_peaks,
)
from operators.intensities.value_range import (
    LIGHTER,
    STEP,
    beyond_range,
    cut_at_one_end,
    cut_off,
    lighter_share,
    lighter_than_air,
    no_negative,
    stepped,
    windowed,
)

Band = tuple[int, int]

AIR, FAT, SOFT = -1000, -100, 50
# Without air, fat and soft tissue prove it alone; their distance was 117 to 173
FAT_ALONE, SOFT_ALONE, APART = (-135, -70), (-15, 110), (105, 190)
# Intercepts of scanners, which are lost or added twice
USUAL, OTHER = 1024, 1000
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


def check_values(found: Histogram, step_hu: float = 1.0) -> Finding:
    """Returns the most certain finding about an image whose values are `step_hu` apart by its header."""
    if found.voxels < LEAST_VOXELS:
        return Finding(Kind.UNKNOWN)
    return next(_findings(found, step_hu), Finding(Kind.UNKNOWN))


def _findings(found: Histogram, step_hu: float) -> Iterator[Finding]:
    peaks = find_peaks(found, step_hu)
    yield from beyond_range(found)
    yield from windowed(found)
    if step_hu < STEP / 2:
        yield from stepped(found)
    # If values are too high by 1000, air lies at water and padding at air; if too low, padding at air and air
    # at soft tissue
    yield from _offsets(found, peaks, 1)
    yield from _proved(found, peaks)
    yield from _offsets(found, peaks, -1)
    yield from _lines(found, peaks)
    yield from _inverted(found, peaks)
    yield from lighter_than_air(found)
    yield from no_negative(found)
    yield from cut_off(found)


def _proved(found: Histogram, peaks: Sequence[Peak]) -> Iterator[Finding]:
    """Proves Hounsfield units by air with fat or soft tissue as the next peak, or by both without air."""
    if lighter_share(found) >= LIGHTER:
        return
    air, above_air = found.share(-1060, -900), found.share(-899, -740)
    first = max((p for p in peaks if p.value > -500), key=lambda peak: peak.prominence, default=None)
    in_place = first is not None and (_inside(first, FAT_HU) or _inside(first, SOFT_HU))
    if in_place and air >= max(SOME_AIR, 1.2 * above_air):
        named = _named(None, _strongest(peaks, FAT_HU), _strongest(peaks, SOFT_HU))
        yield Finding(Kind.PROVED, named, cut=cut_at_one_end(found))
    fat, soft = _strongest(peaks, FAT_ALONE), _strongest(peaks, SOFT_ALONE)
    if not (fat and soft and APART[0] <= soft.value - fat.value <= APART[1]):
        return
    if fat.share + soft.share >= LEAST_TISSUE * (1 - found.share(LOWEST, -900)):
        yield Finding(Kind.PROVED, _named(None, fat, soft), cut=cut_at_one_end(found))


def _offsets(found: Histogram, peaks: Sequence[Peak], sign: int) -> Iterator[Finding]:
    """Finds an offset of 1024, unless only 1000 puts the peaks in place, or air decides for it."""
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
    """Returns where most air lies, but for the value at which it is clipped; None if there is only that."""
    counts = found.counts[near - 60 - LOWEST : near + 60 - LOWEST].copy()
    everything = counts.sum()
    counts[counts.argmax()] = 0
    if counts.sum() < 0.2 * everything:
        return None
    # Smoothed by 7, so that the noise of the counts is less than the noise of air
    return float(np.convolve(counts, np.ones(7), "same").argmax() + near - 60)


def _lines(found: Histogram, peaks: Sequence[Peak]) -> Iterator[Finding]:
    """Finds air, fat and soft tissue at their relative distances, as if all were scaled or inverted."""
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


def _inside(peak: Peak, band: Band, by: int = 0) -> bool:
    """Returns whether a narrow peak lies in a band that is shifted by `by`."""
    return band[0] + by <= peak.value <= band[1] + by and peak.width <= WIDEST


def _strongest(peaks: Sequence[Peak], band: Band, by: int = 0) -> Peak | None:
    """Returns the most prominent narrow peak in a band that is shifted by `by`; None if there is none."""
    inside = (peak for peak in peaks if _inside(peak, band, by))
    return max(inside, key=lambda peak: peak.prominence, default=None)


def _beyond(found: Histogram, air: Peak, span: float) -> float:
    """Returns the share of the image lighter than air, if soft tissue lies `span` away, without padding."""
    away = int(air.value - 0.15 * span)
    low, high = (LOWEST, away) if span > 0 else (away, HIGHEST)
    return found.share(low, high) - found.largest_share(low, high)


def _named(air: Peak | None, fat: Peak | None, soft: Peak | None) -> str:
    peaks = {"air": air, "fat": fat, "soft tissue": soft}
    return ", ".join(f"{name} at {peak.value}" for name, peak in peaks.items() if peak)
