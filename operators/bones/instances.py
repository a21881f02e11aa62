"""Decides which voxels of a network's class are one bone: the table INSTANCES, by `Detection.instances`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from operators.packages.packages import Label

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class RowOwners:
    """Which bone of a row each voxel (I, J, K) belongs to: 1, 2, ... from the top, of the labels `names`.

    In one array, as a mask for each of so many bones would be the largest arrays of a run.
    """

    numbers: NDArray[np.uint8]
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Sides:
    """What is known of the sides in a block of voxels (I, J, K).

    `left` are those to the left of the midline, None if no plane separates the sides; `bones` are the voxels
    of each label whose bones were told apart one by one; `row` are the bones of a row.
    """

    left: Mask | None
    bones: Mapping[str, Mask]
    row: RowOwners | None = None


def by_class(label: Label, sides: Sides) -> Mask | None:
    """Assigns every voxel of the class to the one bone; excludes none."""
    del label, sides
    return None


def by_side(label: Label, sides: Sides) -> Mask | bool:
    """Splits a class of two bones by the midline; excludes the other side, or all voxels without a plane."""
    return True if sides.left is None else sides.left != (label.structure.side == "left")


def by_bone(label: Label, sides: Sides) -> Mask | bool:
    """Gives whole bones to one label; which one was told before, from all bones of the class together."""
    own = sides.bones.get(label.name)
    return True if own is None else ~own


def of_row(label: Label, sides: Sides) -> Mask | bool:
    """Gives the bones of a row, which were outlined one after another, to the labels in their order."""
    if sides.row is None or label.name not in sides.row.names:
        return True
    return sides.row.numbers != 1 + sides.row.names.index(label.name)


# The voxels of the label's class that are not part of the label; None excludes no voxel
INSTANCES: dict[str, Callable[[Label, Sides], Mask | bool | None]] = {
    "by_class": by_class,
    "by_side": by_side,
    "by_bone": by_bone,
    # See `iterative.traversal`
    "iterative": of_row,
}
