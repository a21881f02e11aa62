"""Corrects positions that were written with too few decimals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from operators.dicom.headers.planes import Plane
from operators.dicom.read.acquisition import INSTANCE, value_of
from operators.dicom.read.geometry import Stack
from operators.dicom.read.slice_order import REGULAR_TOLERANCE

Array = NDArray[np.float64]

# Units to which some exports round: whole millimetres, and tenths
UNITS_MM = (1.0, 0.1)
# Fewer slices lie near a straight line by chance.
FEWEST = 10
# Rounding moves a position by at most half a unit; the fitted line deviates a little from the true one.
FURTHEST = 0.6
# Slices closer than this share of the unit could belong to two phases.
NEAREST = 0.5


def even_out(planes: Sequence[Plane], stack: Stack) -> tuple[list[Plane], tuple[str, ...]]:
    """Returns the planes at even distances, with a warning, if only rounding made their gaps differ.

    This requires that all coordinates are multiples of one unit, that the slices are numbered without a gap,
    and that in the order of their numbers each lies within rounding of one straight, even line. `stack` is
    that of `planes`.
    """
    unit_mm = next((unit for unit in UNITS_MM if _multiples(stack.origins, unit)), None)
    if unit_mm is None or len(planes) < FEWEST or _is_even(stack.depths_mm):
        return list(planes), ()
    sequence = _by_number(planes)
    if sequence is None:
        return list(planes), ()
    places = _line(stack.origins[sequence])
    step_mm = float(np.linalg.norm(places[1] - places[0]))
    away_mm = np.abs(places - stack.origins[sequence]).max()
    if away_mm > FURTHEST * unit_mm or step_mm < NEAREST * unit_mm:
        return list(planes), ()
    moved = list(planes)
    for n, place in zip(sequence, places, strict=True):
        moved[n] = replace(planes[n], position=tuple(map(float, np.round(place, 9))))
    warning = (
        f"positions are rounded to {unit_mm:g} mm: the slices, numbered without a gap, are treated "
        f"as evenly {step_mm:.3g} mm apart"
    )
    return moved, (warning,)


def _multiples(origins: Array, unit_mm: float) -> bool:
    return bool(np.abs(origins / unit_mm - np.rint(origins / unit_mm)).max() < 1e-6)


def _is_even(depths_mm: Array) -> bool:
    gaps = np.diff(np.sort(depths_mm))
    return bool(np.ptp(gaps) <= REGULAR_TOLERANCE * np.median(gaps))


def _by_number(planes: Sequence[Plane]) -> NDArray[np.intp] | None:
    """Returns the planes' indices in the order of instance numbers; None if these lack numbers."""
    values = [value_of(plane, INSTANCE) for plane in planes]
    if any(kind != 1 for kind, *_ in values):
        return None
    numbers = np.array([(number, frame) for _, number, _, frame in values])
    sequence = np.lexsort((numbers[:, 1], numbers[:, 0]))
    steps = np.diff(numbers[sequence].sum(axis=1))
    return sequence if np.all(steps == 1) else None


def _line(origins: Array) -> Array:
    """Returns the points (N, 3), mm, of the evenly spaced line nearest to all origins."""
    design = np.column_stack([np.ones(len(origins)), np.arange(len(origins))])
    solution, *_ = np.linalg.lstsq(design, origins, rcond=None)
    return np.asarray(design @ solution)
