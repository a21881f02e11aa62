"""Walks along a row of bones from its top, outlining one bone after the other (Lessmann et al. 2019).

Each place to look at is the highest where a bone was seen and none is outlined yet, so that what lies above
the first one, or was passed over, is looked at too. Then the row is followed beyond its ends, where no bone
was seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.bones.iterative.one_by_one import (
    EDGE_MM,
    Instance,
    Mask,
    Row,
    is_large_enough,
    mark,
    outline_at,
    share_in,
    within,
)
from operators.bones.iterative.repair import memory_of, repair_row
from operators.geometry.components import components_of
from operators.geometry.volume import Box

# The highest voxels of what is not outlined yet, down to this far below its top, say where to look
TOP_MM = 20.0
# What is outlined on the way lies at least so far where bones were seen: else a network outlines anything
SEEN_SHARE = 0.05
# What is outlined where no bone was seen has at least this mean probability; bones of real CTs have 0.93
SURE = 0.9
# It lies at least this share of the distance of its neighbours beyond the last one
BEYOND_SHARE = 0.5
# A row ends at a bone of which so much was outlined as one of the row
END_SHARE = 0.5
# The last bone of a row lies this near to the bone that the row ends at
NEXT_MM = 12.0


@dataclass(frozen=True, eq=False)
class Instances:
    """The bones of a row from the top down.

    `gaps` are the numbers of those after which one seems to be missing; `reaches_begin`, `reaches_end`: the
    first one is next to the bone that the row begins at, the last one next to that which it ends at.
    """

    found: tuple[Instance, ...]
    gaps: tuple[int, ...]
    reaches_begin: bool
    reaches_end: bool

    def owners(self, row: Row) -> NDArray[np.uint8]:
        """Returns each voxel's nearest bone (I, J, K): 1, 2, ... from the top, 0 beyond EDGE_MM."""
        owners = np.zeros(row.hu.shape, np.uint8)
        nearest = np.full(row.hu.shape, EDGE_MM, np.float32)
        for number, each in enumerate(self.found, start=1):
            box = each.box.grow_mm(EDGE_MM, row.grid.spacing_mm, row.hu.shape)
            away_mm = distances_mm(each, box, row)
            closer = away_mm < nearest[box.slices]
            owners[box.slices][closer] = number
            nearest[box.slices][closer] = away_mm[closer]
        return owners

    def probability(self, row: Row) -> NDArray[np.float32]:
        """Returns the probability (I, J, K) of any of the bones."""
        probability = np.zeros(row.hu.shape, np.float32)
        for each in self.found:
            here = probability[each.around.slices]
            np.maximum(here, each.probability, out=here)
        return probability


def find_instances(row: Row) -> Instances:
    """Returns the bones of a row, those that were skipped or doubled repaired."""
    found, gaps = repair_row(row, walk(row))
    begins, ends = (
        bool(found) and is_next_to(found[at], bone, row) for at, bone in ((0, row.begin), (-1, row.end))
    )
    return Instances(tuple(found), tuple(gaps), begins, ends)


def walk(row: Row) -> list[Instance]:
    """Returns the bones of a row from the top down, as the network outlines them."""
    found: list[Instance] = []
    memory, remaining = np.zeros(row.hu.shape, np.bool_), row.wanted & ~row.end
    while (centre := next_place(remaining, row)) is not None:
        instance = outline_at(row, memory, centre)
        if instance is None or not is_large_enough(instance, row):
            remaining[:, :, int(centre[2]) :] = False
        elif share_in(instance, row.end) >= END_SHARE:
            break
        elif share_in(instance, row.wanted) >= SEEN_SHARE:
            found.append(instance)
        if instance is not None:
            # What is no bone is remembered too: the network would outline it again in place of the next
            mark(instance, memory)
            box = instance.box.grow_mm(EDGE_MM, row.grid.spacing_mm, remaining.shape)
            remaining[box.slices] &= distances_mm(instance, box, row) > EDGE_MM
    found = sorted(found, key=lambda each: -each.centre[2])
    found = [*found, *followed(row, found, row.end)]
    return [*reversed(followed(row, found[::-1], row.begin)), *found]


def followed(row: Row, found: Sequence[Instance], end: Mask) -> list[Instance]:
    """Returns the bones beyond the last of some in their order, up to the bone that the row ends at.

    Each is looked for as far from the last one as that is from the one before.
    """
    more: list[Instance] = []
    while len(known := [*found, *more]) > 1 and not is_next_to(known[-1], end, row):
        step = known[-1].centre - known[-2].centre
        instance = outline_at(row, memory_of(row, known), known[-1].centre + step)
        if instance is None or not is_large_enough(instance, row) or instance.certainty < SURE:
            break
        if (instance.centre - known[-1].centre) @ step < BEYOND_SHARE * (step @ step):
            break
        more.append(instance)
    return more


def next_place(remaining: Mask, row: Row) -> NDArray[np.float64] | None:
    """Returns the middle (3,) of the top of what remains to be outlined, None where that is too little."""
    around = Box.around(remaining)
    if around is None:
        return None
    pieces, sizes = components_of(remaining[around.slices])
    large = sizes * row.grid.voxel_volume_mm3 >= row.rules.minimum_partial_ml * 1000
    if not large.any():
        return None
    tops = [box[2].stop if large[n] else 0 for n, box in enumerate(ndimage.find_objects(pieces), start=1)]
    highest = 1 + int(np.argmax(tops))
    low = max(tops[highest - 1] - int(TOP_MM / row.grid.spacing_mm[2]), 0)
    middle = np.argwhere(pieces[:, :, low:] == highest).mean(axis=0)
    middle[2] += low
    placed: NDArray[np.float64] = middle + around.start
    return placed


def distances_mm(found: Instance, box: Box, row: Row) -> NDArray[np.float64]:
    """Returns the distance of each voxel of a box that holds a bone from that bone, 0 inside it."""
    own = np.zeros(box.shape, np.bool_)
    own[within(found.box, box)] = found.mask
    away_mm: NDArray[np.float64] = ndimage.distance_transform_edt(~own, sampling=row.grid.spacing_mm)
    return away_mm


def is_next_to(found: Instance, bone: Mask, row: Row) -> bool:
    """Returns whether a bone of the row is next to the one that the row begins or ends at."""
    box = found.box.grow_mm(NEXT_MM, row.grid.spacing_mm, row.hu.shape)
    return bool((bone[box.slices] & (distances_mm(found, box, row) <= NEXT_MM)).any())
