"""A row of bones in a scan, and the outline of one of them by a network with a memory of the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from operators.geometry.components import components_of
from operators.geometry.resampling import AIR_HU
from operators.geometry.volume import Box, Grid
from operators.packages.iterative import IterativeRules

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
# Gives probabilities (3, *patch) of background, a whole bone and a partial one in a patch of HU (I, J, K);
# the memory says what is already outlined in it
Reader = Callable[[Array, Mask], Array]

# A patch is moved to the middle of what was found in it until it moves by less than this
SETTLED_VOXELS, MOVES = 2.0, 6
# A piece of a bone has at least this share of the largest: a broken bone has several
PIECE_SHARE = 0.05
# Probabilities are kept so far around a bone; what two networks outline of a bone differs by this much
EDGE_MM = 3.0


@dataclass(frozen=True, eq=False)
class Row:
    """A row of bones in a CT: `hu` (I, J, K) on `grid`, whose axes run to left, posterior and superior.

    `wanted` marks where any bone of the row was seen, `begin` and `end` the bones that the row lies between,
    which are none of it. `patch` is what `read` takes, in voxels.
    """

    hu: Array
    wanted: Mask
    begin: Mask
    end: Mask
    grid: Grid
    read: Reader
    patch: tuple[int, int, int]
    rules: IterativeRules


@dataclass(frozen=True, eq=False)
class Instance:
    """One bone of a row: its voxels in a `box`, and the mean probability of it there.

    `probability` (I, J, K), float16, is that of the bone in the block `around`: the box with an edge.
    `is_partial`: the scan shows a part of it only. `repair` says how it was repaired: "inserted" between two
    others, "joined" from two; empty as a rule.
    """

    box: Box
    mask: Mask
    certainty: float
    around: Box
    probability: NDArray[np.float16]
    is_partial: bool
    repair: str = ""

    @property
    def centre(self) -> NDArray[np.float64]:
        """The mean array index (3,) of its voxels."""
        return np.argwhere(self.mask).mean(axis=0) + self.box.start

    @property
    def voxels(self) -> int:
        """The number of its voxels."""
        return int(np.count_nonzero(self.mask))


def find_at(row: Row, memory: Mask, centre: NDArray[np.float64]) -> Instance | None:
    """Returns the bone that the network outlines around an array index (3,), None where there is none."""
    found = outline_at(row, memory, centre)
    return found if found is not None and is_large_enough(found, row) else None


def outline_at(row: Row, memory: Mask, centre: NDArray[np.float64]) -> Instance | None:
    """Returns what the network outlines around an array index (3,), however small; None where there is none.

    The patch is moved to the middle of what is found in it. Bones in `memory` are not outlined again.
    """
    found = None
    for _ in range(MOVES):
        start = np.round(centre - np.array(row.patch) / 2).astype(int)
        found = read_at(row, memory, start)
        if found is None:
            return None
        middle = (np.array(found.box.start) + found.box.stop) / 2
        if np.abs(middle - centre).max() < SETTLED_VOXELS:
            break
        centre = middle
    return found


def read_at(row: Row, memory: Mask, start: NDArray[np.int_]) -> Instance | None:
    """Returns what the network outlines in the patch that begins at an array index, which may lie outside."""
    hu, inside = patch_of(row.hu, start, row.patch, AIR_HU)
    known, _ = patch_of(memory, start, row.patch, False)
    probabilities = row.read(hu, known)
    bone = probabilities[1] + probabilities[2]
    mask = without_small_pieces((bone >= 0.5) & ~known & inside)
    box = Box.around(mask)
    if box is None:
        return None
    whole, partial = (float(probabilities[n][mask].sum()) for n in (1, 2))
    placed = moved(box, start)
    around = placed.grow_mm(EDGE_MM, row.grid.spacing_mm, row.hu.shape)
    # Of neither what was outlined before nor the small pieces
    own = np.where(mask | (bone < 0.5), bone, np.float32(0))
    near, _ = patch_of(own, np.array(around.start) - start, around.shape, 0)
    is_partial = partial > whole or on_border(placed, row)
    certainty = float(bone[mask].mean())
    return Instance(placed, mask[box.slices].copy(), certainty, around, near.astype(np.float16), is_partial)


def patch_of(
    array: NDArray[np.generic], start: NDArray[np.int_], shape: tuple[int, ...], outside: float
) -> tuple[NDArray, Mask]:  # type: ignore[type-arg]
    """Returns the patch of an array that begins at an index, and which of its voxels lie in the array."""
    patch, inside = np.full(shape, outside, array.dtype), np.zeros(shape, np.bool_)
    stop = start + shape
    low, high = np.maximum(start, 0), np.minimum(stop, array.shape)
    if (low < high).all():
        here = tuple(slice(int(a), int(b)) for a, b in zip(low - start, high - start, strict=True))
        patch[here] = array[tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))]
        inside[here] = True
    return patch, inside


def moved(box: Box, by: NDArray[np.int_]) -> Box:
    """Returns a box moved by so many voxels (3,)."""
    (i, j, k), (a, b, c), (x, y, z) = box.start, box.stop, by.tolist()
    return Box((i + x, j + y, k + z), (a + x, b + y, c + z))


def within(box: Box, whole: Box) -> tuple[slice, ...]:
    """Returns the slices of a box in an array of the box that holds it."""
    return moved(box, -np.array(whole.start)).slices


def without_small_pieces(mask: Mask) -> Mask:
    """Returns a mask without pieces that are far smaller than the largest."""
    pieces, sizes = components_of(mask, connected=3)
    large: Mask = (sizes >= PIECE_SHARE * sizes.max())[pieces] & mask
    return large


def on_border(box: Box, row: Row) -> bool:
    """Returns whether a bone reaches the edge of the scan; its box is the smallest around it."""
    return 0 in box.start or any(a == b for a, b in zip(box.stop, row.hu.shape, strict=True))


def is_large_enough(found: Instance, row: Row) -> bool:
    """Returns whether what was found is a bone, or a part of one at the edge of the scan."""
    least_ml = row.rules.minimum_partial_ml if found.is_partial else row.rules.minimum_ml
    return found.voxels * row.grid.voxel_volume_mm3 >= least_ml * 1000


def share_in(found: Instance, mask: Mask) -> float:
    """Returns the share of a bone's voxels that lie in a mask of the scan."""
    return float(np.count_nonzero(found.mask & mask[found.box.slices]) / found.voxels)


def mark(found: Instance, mask: Mask, value: bool = True) -> None:
    """Sets a mask of the scan at a bone's voxels, in place."""
    mask[found.box.slices][found.mask] = value
