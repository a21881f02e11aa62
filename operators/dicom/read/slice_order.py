"""Assigns each slice its integer or fractional index along the third axis of a regular grid."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from operators.errors import UnsuitableError

Array = NDArray[np.float64]

# A slice is in place if within a tenth of the slice spacing: at 3 mm this is 0.3 mm, less than a pixel of a
# pelvic CT, and no slice is interpolated unnecessarily.
REGULAR_TOLERANCE = 0.1
# At most one slice in a row may be missing, and a tenth of all: between neighbours two spacings apart, linear
# interpolation shows what a scan of twice the slice spacing would have shown; beyond that, bone is invented.
LONGEST_GAP = 2.5
MISSING_SHARE = 0.1
# Up to this share of slices off the grid are split off as strays; with more, the stack as a whole is
# irregular.
ASIDE_SHARE = 0.1
# This many equal gaps in a row are intended by a protocol, not caused by lost slices.
EVEN_GAPS = 3
# An irregular stack is resampled at its lower quartile gap (which keeps most detail) unless that makes more
# than this many times the number of slices.
MOST_PLANES_PER_SLICE = 4


class UnfitError(UnsuitableError):
    """The slices do not fit any regular grid."""


@dataclass(frozen=True, eq=False)
class Order:
    """The order of slices: `kept` indexes the sorted ones, `k` (kept,) are their places among `planes`."""

    kept: NDArray[np.intp]
    k: Array
    planes: int
    warnings: tuple[str, ...] = ()

    def only(self, mask: NDArray[np.bool_]) -> Order:
        """Removes some slices: indices start at 0 again, and the gaps are checked again."""
        k = self.k[mask] - self.k[mask][0]
        return _judged(replace(self, kept=self.kept[mask], k=k, planes=int(np.ceil(k[-1] - 1e-6)) + 1))


def order_slices(depths_mm: Array) -> Order:
    """Orders two or more slices by their sorted depths, no two equal. Raises UnfitError."""
    return _regular(depths_mm) or _irregular(depths_mm)


def _regular(depths_mm: Array) -> Order | None:
    """Returns integer indices, with a few strays set aside and a few slices missing; None if the gaps vary.

    A stray is an extra slice: a slice that would leave a gap if removed is not a stray.
    """
    spacing_mm = float(np.median(np.diff(depths_mm)))
    forward = _walk(depths_mm, spacing_mm)
    backward = [len(depths_mm) - 1 - n for n in reversed(_walk(-depths_mm[::-1], spacing_mm))]
    kept = np.array(max(forward, backward, key=len), dtype=np.intp)
    aside = len(depths_mm) - len(kept)
    if len(kept) < 2 or (aside and (len(kept) < 3 or aside > max(1, ASIDE_SHARE * len(depths_mm)))):
        return None
    k = np.concatenate([[0.0], np.cumsum(np.rint(np.diff(depths_mm[kept]) / spacing_mm))])
    slope, start = np.polyfit(k, depths_mm[kept], 1)
    if np.abs(depths_mm[kept] - start - slope * k).max() > REGULAR_TOLERANCE * slope:
        return None
    if aside and _leaves_gap(depths_mm, kept, k, start, slope):
        return None
    warnings = (f"slices off the grid were left out: {aside}",) if aside else ()
    return _judged(Order(kept, k, int(k[-1]) + 1, warnings))


def _leaves_gap(depths_mm: Array, kept: NDArray[np.intp], k: Array, start: float, slope: float) -> bool:
    """Returns whether a slice that is not kept lies where the grid has none."""
    aside = np.delete(depths_mm, kept)
    places = np.clip(np.rint((aside - start) / slope), 0, k[-1])
    return not np.isin(places, k).all()


def _walk(depths_mm: Array, spacing_mm: float) -> list[int]:
    """Returns the indices of slices that lie an integer number of spacings from the previously kept slice."""
    kept = [0]
    for n in range(1, len(depths_mm)):
        steps = (depths_mm[n] - depths_mm[kept[-1]]) / spacing_mm
        if round(steps) >= 1 and abs(steps - round(steps)) <= REGULAR_TOLERANCE:
            kept.append(n)
    return kept


def _judged(order: Order) -> Order:
    """Adds a warning about missing slices. Raises UnfitError if too many are missing."""
    gaps = np.diff(order.k)
    missing = order.planes - len(order.k)
    if missing <= 0 or not np.allclose(order.k, np.rint(order.k)):
        return order
    if gaps.max() > LONGEST_GAP or missing > MISSING_SHARE * order.planes:
        raise UnfitError(
            f"expected at most {MISSING_SHARE:.0%} of slices missing and no two in a row, "
            f"got {missing} of {order.planes} missing, {int(gaps.max()) - 1} in a row",
            code="missing_slices",
        )
    warning = f"{missing} of {order.planes} slices are missing and are interpolated"
    return replace(order, warnings=(*order.warnings, warning))


def _irregular(depths_mm: Array) -> Order:
    gaps = np.diff(depths_mm)
    if gaps.max() > LONGEST_GAP * np.median(gaps):
        raise UnfitError(
            f"expected gaps of at most {LONGEST_GAP} times the usual {np.median(gaps):.2f} mm, "
            f"got one of {gaps.max():.2f} mm",
            code="missing_slices",
        )
    extent_mm = depths_mm[-1] - depths_mm[0]
    intervals = max(1, int(np.ceil(extent_mm / np.quantile(gaps, 0.25) - 1e-6)))
    if intervals > MOST_PLANES_PER_SLICE * len(depths_mm):
        raise UnfitError(
            f"expected slices at even distances, got gaps from {gaps.min():.2f} to {gaps.max():.2f} mm",
            code="irregular_spacing",
        )
    warning = (
        f"gaps between slices vary from {gaps.min():.2f} to {gaps.max():.2f} mm: "
        f"resampled to {extent_mm / intervals:.2f} mm"
    )
    k = (depths_mm - depths_mm[0]) * (intervals / extent_mm)
    return Order(np.arange(len(depths_mm)), k, intervals + 1, (warning,))


def longest_stretch(depths_mm: Array) -> NDArray[np.intp]:
    """Returns the indices of the sorted slices in the longest stretch without a gap too wide to fill."""
    gaps = np.diff(depths_mm)
    stretches = np.split(np.arange(len(depths_mm)), np.flatnonzero(gaps > LONGEST_GAP * np.median(gaps)) + 1)
    return max(stretches, key=len)


def even_runs(depths_mm: Array) -> list[list[int]]:
    """Returns the indices of the sorted slices in stretches of even gaps, if together these are nearly all
    slices.

    A slice between two stretches belongs to the denser one; the few slices in no stretch come last. [] if the
    gaps of all stretches are equal: then slices are missing between them.
    """
    gaps = np.diff(depths_mm)
    runs = [(start, stop) for start, stop in _even(gaps) if stop - start >= EVEN_GAPS]
    widths = [float(np.median(gaps[start:stop])) for start, stop in runs]
    if not widths or max(widths) <= (1 + REGULAR_TOLERANCE) * min(widths):
        return []
    owners = np.full(len(depths_mm), -1)
    for n in sorted(range(len(runs)), key=lambda n: -widths[n]):
        start, stop = runs[n]
        owners[start : stop + 1] = n
    if np.count_nonzero(owners < 0) > ASIDE_SHARE * len(depths_mm):
        return []
    found = [np.flatnonzero(owners == n).tolist() for n in (*range(len(runs)), -1)]
    return [run for run in found if run]


def _even(gaps: Array) -> list[tuple[int, int]]:
    """Returns half-open ranges of gaps, each as wide as the first of its range."""
    ranges, start = [], 0
    for n in range(1, len(gaps) + 1):
        if n == len(gaps) or abs(gaps[n] - gaps[start]) > REGULAR_TOLERANCE * gaps[start]:
            ranges.append((start, n))
            start = n
    return ranges
