"""Other positions of the same scan: rotated, stored in another order, or mirrored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from benchmarks.accuracy.cases.scan import Scan, axis_along, scan_of
from operators.geometry.volume import Grid
from operators.packages.packages import Label


def turned(scan: Scan, axis: str, degrees: float) -> Scan:
    """Rotates the patient about the x, y or z axis through the centre of the scan.

    The grid rotates too, so that nothing is interpolated and the ground truth stays exact. The different
    field of view of a scanner that does not rotate is not simulated.
    """
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler(axis, degrees, degrees=True).as_matrix()
    middle = scan.grid.ijk_to_lps @ [*((np.array(scan.grid.shape) - 1) / 2), 1.0]
    turn[:3, 3] = middle[:3] - turn[:3, :3] @ middle[:3]
    grid = Grid(scan.grid.shape, turn @ scan.grid.ijk_to_lps, scan.grid.frame_of_reference_uid)
    return scan_of(scan.ct.hu, scan.truth.labels, grid)


def stored(scan: Scan, order: Sequence[int] = (0, 1, 2), backwards: Sequence[int] = ()) -> Scan:
    """Returns the same patient at the same place, with the array's axes reordered, some of them reversed.

    `backwards` are axes of the new order. This is how patient positions other than head first supine
    change the stored arrays and their headers (PS3.3 C.7.3.1.1.2).
    """
    to_old = np.zeros((4, 4))
    to_old[3, 3] = 1
    for new, old in enumerate(order):
        last = scan.grid.shape[old] - 1
        to_old[old, new] = -1 if new in backwards else 1
        to_old[old, 3] = last if new in backwards else 0
    i, j, k = (scan.grid.shape[old] for old in order)
    grid = Grid((i, j, k), scan.grid.ijk_to_lps @ to_old, scan.grid.frame_of_reference_uid)
    hu, labels = (
        np.ascontiguousarray(np.flip(array.transpose(order), tuple(backwards)))
        for array in (scan.ct.hu, scan.truth.labels)
    )
    return scan_of(hu, labels, grid)


def mirrored(scan: Scan, labels: Sequence[Label]) -> Scan:
    """Mirrors the patient left to right and swaps the sides in the ground truth."""
    axis, _ = axis_along(scan.grid, 0)
    flipped = np.flip(swapped_sides(labels)[scan.truth.labels], axis)
    return scan_of(np.ascontiguousarray(np.flip(scan.ct.hu, axis)), np.ascontiguousarray(flipped), scan.grid)


def swapped_sides(labels: Sequence[Label]) -> NDArray[np.uint8]:
    """Returns for each value the value of the same fragment in the bone of the other side."""
    table = np.arange(256, dtype=np.uint8)
    for label in labels:
        other = other_side(label, labels)
        if other is not None:
            table[list(label.values)] = list(other.values)
    return table


def other_side(label: Label, labels: Sequence[Label]) -> Label | None:
    """Returns the label of the same bone on the other side; None for a bone that has none."""
    same = (other for other in labels if other.structure.type == label.structure.type and other is not label)
    return next((other for other in same if label.structure.laterality and other.structure.laterality), None)
