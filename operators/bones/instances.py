"""Which voxels of a network's class are one bone: the table INSTANCES, by `Detection.instances`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from operators.packages.packages import Label

# Voxels (I, J, K) to the left of the midline; None where no plane parts the sides
Left = NDArray[np.bool_] | None


def by_class(label: Label, left: Left) -> NDArray[np.bool_] | None:
    """Every voxel of the class is the one bone: none is excluded."""
    del label, left
    return None


def by_side(label: Label, left: Left) -> NDArray[np.bool_] | bool:
    """The class is of two bones, which a plane parts: excluded is the other side, or all without a plane."""
    return True if left is None else left != (label.structure.side == "left")


# The voxels that are not the label's although they are of its class; None for none
INSTANCES: dict[str, Callable[[Label, Left], NDArray[np.bool_] | bool | None]] = {
    "by_class": by_class,
    "by_side": by_side,
}
