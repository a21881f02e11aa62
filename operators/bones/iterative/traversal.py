"""Walks along a row of bones from its top, outlining one bone after the other (Lessmann et al. 2019).

Each place to look at is the highest where a bone was seen and none is outlined yet, so that what lies above
the first one, or was passed over, is looked at too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.bones.iterative.one_by_one import Instance, Mask, Row, find_at, mark, share_in
from operators.bones.iterative.repair import repair_row
from operators.geometry.volume import Box

# What two networks outline of a bone differs by this much
EDGE_MM = 3.0
# The highest voxels of what is not outlined yet, down to this far below its top, say where to look
TOP_MM = 20.0
# A row ends at a bone of which so much was outlined as one of the row
END_SHARE = 0.5
# The last bone of a row lies this near to the bone that the row ends at
NEXT_MM = 12.0


@dataclass(frozen=True, eq=False)
class Instances:
    """The bones of a row from the top down.

    `gaps` are the numbers of those after which one seems to be missing; `reaches_end`: the last one is next
    to the bone that the row ends at.
    """

    found: tuple[Instance, ...]
    gaps: tuple[int, ...]
    reaches_end: bool

    def masks(self, shape: tuple[int, ...]) -> list[Mask]:
        """Returns the voxels (I, J, K) of each bone in the whole scan."""
        whole = [np.zeros(shape, np.bool_) for _ in self.found]
        for found, mask in zip(self.found, whole, strict=True):
            mark(found, mask)
        return whole


def find_instances(row: Row) -> Instances:
    """Returns the bones of a row, those that were skipped or doubled repaired."""
    found, gaps = repair_row(row, walk(row))
    return Instances(tuple(found), tuple(gaps), bool(found) and is_next_to(found[-1], row))


def walk(row: Row) -> list[Instance]:
    """Returns the bones of a row from the top down, as the network outlines them."""
    found: list[Instance] = []
    memory, remaining = np.zeros(row.hu.shape, np.bool_), row.wanted & ~row.end
    while (centre := next_place(remaining, row)) is not None:
        instance = find_at(row, memory, centre)
        if instance is None:
            remaining[:, :, int(centre[2]) :] = False
        elif share_in(instance, row.end) >= END_SHARE:
            break
        else:
            found.append(instance)
            mark(instance, memory)
            take_away(remaining, instance, row)
    return sorted(found, key=lambda each: -each.centre[2])


def next_place(remaining: Mask, row: Row) -> NDArray[np.float64] | None:
    """Returns the middle (3,) of the top of what remains to be outlined, None where that is too little."""
    pieces, count = ndimage.label(remaining)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    sizes[0] = 0
    large = sizes * row.grid.voxel_volume_mm3 >= row.rules.minimum_partial_ml * 1000
    if not large.any():
        return None
    tops = [box[2].stop if large[n] else 0 for n, box in enumerate(ndimage.find_objects(pieces), start=1)]
    highest = 1 + int(np.argmax(tops))
    low = max(tops[highest - 1] - int(TOP_MM / row.grid.spacing_mm[2]), 0)
    middle = np.argwhere(pieces[:, :, low:] == highest).mean(axis=0)
    middle[2] += low
    return middle


def take_away(remaining: Mask, found: Instance, row: Row) -> None:
    """Removes a bone with its edge from what remains to be outlined, in place."""
    box = found.box.grow_mm(EDGE_MM, row.grid.spacing_mm, remaining.shape)
    remaining[box.slices] &= ~near(found, box, EDGE_MM, row)


def near(found: Instance, box: Box, reach_mm: float, row: Row) -> Mask:
    """Returns which voxels of a box that holds a bone lie within a distance of it."""
    own = np.zeros(box.shape, np.bool_)
    start = [a - b for a, b in zip(found.box.start, box.start, strict=True)]
    own[tuple(slice(a, a + n) for a, n in zip(start, found.mask.shape, strict=True))] = found.mask
    close: Mask = ndimage.distance_transform_edt(~own, sampling=row.grid.spacing_mm) <= reach_mm
    return close


def is_next_to(found: Instance, row: Row) -> bool:
    """Returns whether a bone is next to the one that the row ends at."""
    box = found.box.grow_mm(NEXT_MM, row.grid.spacing_mm, row.hu.shape)
    return bool((near(found, box, NEXT_MM, row) & row.end[box.slices]).any())
