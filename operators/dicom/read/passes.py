"""Joins passes of one series that follow each other along the body and partly overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from operators.dicom.headers.planes import Plane
from operators.dicom.read.acquisition import Depth, acquired_alike

# A pass that covers this share of the whole range needs no other.
COVERING_SHARE = 0.9
# The next pass begins at most this many slice spacings after the end of the one before.
LONGEST_STEP = 1.1
# Where two passes meet, of two slices closer than this share of their spacing one is left out.
NEAREST_STEP = 0.5


@dataclass(frozen=True, eq=False)
class Pass:
    """A pass: slices in order of their depth."""

    planes: tuple[Plane, ...]
    depths_mm: tuple[float, ...]

    @property
    def spacing_mm(self) -> float:
        """The median distance of neighbouring slices."""
        return float(np.median(np.diff(self.depths_mm)))

    @property
    def length_mm(self) -> float:
        """The distance from the first slice to the last."""
        return self.depths_mm[-1] - self.depths_mm[0]


@dataclass(frozen=True, eq=False)
class Joined:
    """Passes that follow each other as one: slices kept, slices left out in overlaps, other passes."""

    kept: tuple[Plane, ...]
    left_out: tuple[Plane, ...]
    others: tuple[tuple[Plane, ...], ...]
    count: int


def join_passes(groups: Sequence[Sequence[Plane]], depth_mm: Depth) -> Joined | None:
    """Joins passes; returns None if one group shows all that the others show, or they were acquired
    differently.

    Where two passes overlap, each is used up to the middle of the overlap: a scan is best away from its ends.
    """
    passes = [_pass(group, depth_mm) for group in groups]
    order = _chain(passes)
    chain = [passes[n] for n in order]
    if len(chain) < 2 or not all(acquired_alike(chain[0].planes[0], each.planes[0]) for each in chain[1:]):
        return None
    kept = _meeting(chain)
    taken = set(map(id, kept))
    left_out = tuple(plane for each in chain for plane in each.planes if id(plane) not in taken)
    others = tuple(each.planes for n, each in enumerate(passes) if n not in order)
    return Joined(tuple(kept), left_out, others, len(chain))


def _pass(group: Sequence[Plane], depth_mm: Depth) -> Pass:
    ordered = sorted(group, key=lambda plane: (depth_mm(plane), plane.order))
    return Pass(tuple(ordered), tuple(map(depth_mm, ordered)))


def _chain(passes: Sequence[Pass]) -> list[int]:
    """Returns the fewest passes that cover the range, in order; [] if one does, or there is a gap."""
    if min(len(each.planes) for each in passes) < 2:
        return []
    begin = min(each.depths_mm[0] for each in passes)
    end = max(each.depths_mm[-1] for each in passes)
    if any(each.length_mm >= COVERING_SHARE * (end - begin) for each in passes):
        return []
    order: list[int] = []
    reached, step_mm = begin, 0.0
    while reached < end:
        near = [n for n, each in enumerate(passes) if each.depths_mm[0] <= reached + step_mm]
        furthest = max(near, key=lambda n: passes[n].depths_mm[-1])
        if passes[furthest].depths_mm[-1] <= reached:
            return []
        order.append(furthest)
        reached = passes[furthest].depths_mm[-1]
        step_mm = LONGEST_STEP * passes[furthest].spacing_mm
    return order


def _meeting(chain: Sequence[Pass]) -> list[Plane]:
    """Returns the slices of each pass between the middles of its overlaps with its neighbours."""
    kept: list[Plane] = []
    last_mm = -np.inf
    for n, each in enumerate(chain):
        behind = chain[n + 1] if n + 1 < len(chain) else None
        until_mm = np.inf if behind is None else (each.depths_mm[-1] + behind.depths_mm[0]) / 2
        nearest_mm = last_mm + NEAREST_STEP * each.spacing_mm
        for plane, depth_mm in zip(each.planes, each.depths_mm, strict=True):
            if nearest_mm < depth_mm <= max(until_mm, each.depths_mm[0]):
                kept.append(plane)
                last_mm = depth_mm
    return kept
