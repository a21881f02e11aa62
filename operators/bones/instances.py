"""Decides which voxels of a network's class are one bone: the table INSTANCES, by `Detection.instances`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from operators.packages.packages import Label

# Voxels (I, J, K) to the left of the midline; None if no plane separates the sides
Left = NDArray[np.bool_] | None


def by_class(label: Label, left: Left) -> NDArray[np.bool_] | None:
    """Assigns every voxel of the class to the one bone; excludes none."""
    del label, left
    return None


def by_side(label: Label, left: Left) -> NDArray[np.bool_] | bool:
    """Splits a class that holds two bones by the midline plane; excludes the other side, or all voxels
    without a plane.
    """
    return True if left is None else left != (label.structure.side == "left")


# The voxels of the label's class that are not part of the label; None excludes no voxel
INSTANCES: dict[str, Callable[[Label, Left], NDArray[np.bool_] | bool | None]] = {
    "by_class": by_class,
    "by_side": by_side,
}
