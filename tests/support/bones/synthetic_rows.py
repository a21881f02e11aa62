"""Rows of made bones, and a made network that outlines them one by one as a trained one is to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from operators.bones.iterative.one_by_one import Reader, Row
from operators.geometry.volume import Grid
from operators.packages.iterative import IterativeRules

RULES = IterativeRules(minimum_ml=1.0, minimum_partial_ml=0.2)
SPACING_MM, PATCH, SIDE = 2.0, (24, 24, 24), 10
Labels = NDArray[np.uint8]


def row_of_blocks(count: int, step: int = 14, end: bool = True, first: int = 0) -> tuple[Labels, Labels]:
    """Returns blocks 1, 2, ... from the top down as labels, and the bone below them that ends the row.

    `first`: how many voxels of the first lie above the scan.
    """
    height = first + 6 + count * step + 12
    labels, below = np.zeros((34, 34, height), np.uint8), np.zeros((34, 34, height), np.uint8)
    for n in range(count):
        top = height - 3 - n * step
        labels[12 : 12 + SIDE, 12 : 12 + SIDE, top - SIDE : top] = n + 1
    bottom = height - 3 - count * step
    if end:
        below[8:26, 8:26, max(bottom - 8, 0) : bottom] = 1
    stop = height - 3 - first if first else height
    return labels[:, :, :stop].copy(), below[:, :, :stop].copy()


@dataclass
class MadeNetwork:
    """Outlines the highest bone of a patch that is not in memory: Hounsfield units are the labels' numbers.

    `blind` are the numbers that it does not see in so many looks; `wary` are those that it sees only where
    bones on both sides are known, `halves` those that it outlines in two halves unless they are. `certainty`
    is the probability of what it outlines.
    """

    blind: dict[int, int] = field(default_factory=dict)
    wary: tuple[int, ...] = ()
    halves: tuple[int, ...] = ()
    certainty: float = 0.8

    def __call__(self, hu: NDArray[np.float32], memory: NDArray[np.bool_]) -> NDArray[np.float32]:
        free = np.where(memory | (hu < 1), 0, hu).astype(int)
        seen = [n for n in np.unique(free).tolist() if n and self.sees(n, memory)]
        found = np.zeros((3, *hu.shape), np.float32)
        if seen:
            # The highest one: numbers rise from the top down
            mask = np.asarray(free == min(seen), np.bool_)
            if min(seen) in self.halves and mask.sum() == (hu == min(seen)).sum() and not self.joint(memory):
                levels = np.flatnonzero(mask.any(axis=(0, 1)))
                mask[:, :, : int(levels[len(levels) // 2])] = False
            found[1][mask] = self.certainty
        found[0] = 1 - found[1:].sum(axis=0)
        return found

    def sees(self, number: int, memory: NDArray[np.bool_]) -> bool:
        if number in self.wary and not self.joint(memory):
            return False
        left = self.blind.get(number, 0)
        if left:
            self.blind[number] = left - 1
        return not left

    def joint(self, memory: NDArray[np.bool_]) -> bool:
        """Whether bones on both sides are known."""
        levels = np.asarray(memory.any(axis=(0, 1)))
        return bool(levels[-2:].any() and levels[:2].any())


def row_of(labels: Labels, end: Labels, read: Reader | Callable[..., NDArray[np.float32]]) -> Row:
    grid = Grid(labels.shape, np.diag([SPACING_MM] * 3 + [1.0]), "1.2.6")
    nothing = np.zeros(labels.shape, np.bool_)
    return Row(labels.astype(np.float32), labels > 0, nothing, end > 0, grid, read, PATCH, RULES)
