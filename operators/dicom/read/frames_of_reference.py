"""Gives the slices of one series one frame of reference if their headers name several by mistake."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from operators.dicom.headers.planes import Plane
from operators.dicom.read.acquisition import acquired_alike
from operators.dicom.read.geometry import Layout, lay_out
from operators.dicom.read.kinds import by_kind, stack_of
from operators.dicom.read.phases import SAME_POSITION_MM

# A frame of reference with fewer slices than this is not a scan, but an anonymiser's new UID for each file.
SLICES_OF_A_FRAME = 3


def in_one_frame(planes: Sequence[Plane]) -> tuple[list[Plane], tuple[str, ...]]:
    """Returns the planes in one frame of reference, with a warning, or each in its own.

    The images of a series share one frame of reference (PS3.3 C.7.4.1). Slices without one get that of the
    others. Frames of reference with very few slices are merged, and so are those whose slices fill each
    other's gaps on one even grid. Several with a stack each are left unchanged.
    """
    counted = Counter(plane.frame_of_reference_uid for plane in planes)
    without = counted.pop("", 0)
    if len(counted) == 1 and without:
        warning = f"{without} of {len(planes)} slices name no frame of reference: that of the others is used"
        return _with_frame(planes, next(iter(counted))), (warning,)
    if len(counted) > 1 and len(planes) < SLICES_OF_A_FRAME * len(counted):
        first = min(planes, key=lambda plane: (not plane.frame_of_reference_uid, plane.order))
        warning = f"{len(planes)} slices name {len(counted)} frames of reference: one of them is used"
        return _with_frame(planes, first.frame_of_reference_uid), (warning,)
    if len(counted) > 1 and not without and _fill_gaps(planes):
        most = min(counted, key=lambda uid: (-counted[uid], uid))
        warning = (
            f"{len(planes)} slices that lie between each other name {len(counted)} frames of reference: "
            "that of most slices is used"
        )
        return _with_frame(planes, most), (warning,)
    return list(planes), ()


def even_layout(planes: Sequence[Plane]) -> Layout | None:
    """Returns the layout of slices at even distances and different positions; None if they are not."""
    stack = stack_of(planes)
    if np.diff(np.sort(stack.depths_mm)).min() <= SAME_POSITION_MM:
        return None
    layout = lay_out(stack)
    even = not layout.fault and not layout.aside and np.allclose(layout.k, np.rint(layout.k))
    return layout if even else None


def _with_frame(planes: Sequence[Plane], uid: str) -> list[Plane]:
    return [replace(plane, frame_of_reference_uid=uid) for plane in planes]


def _fill_gaps(planes: Sequence[Plane]) -> bool:
    """Returns whether slices of several frames of reference interleave on one even grid."""
    kinds = by_kind(_with_frame(planes, ""))
    if len(kinds) > 1 or not next(iter(kinds)).position_given:
        return False
    if even_layout(planes) is None:
        return False
    depths: dict[str, list[float]] = {}
    firsts: dict[str, Plane] = {}
    for plane, depth_mm in zip(planes, stack_of(planes).depths_mm.tolist(), strict=True):
        depths.setdefault(plane.frame_of_reference_uid, []).append(depth_mm)
        firsts.setdefault(plane.frame_of_reference_uid, plane)
    ranges = [(min(each), max(each)) for each in depths.values()]
    between = any(a[0] < b[1] and b[0] < a[1] for a, b in combinations(ranges, 2))
    first, *others = firsts.values()
    return between and all(acquired_alike(first, other) for other in others)
