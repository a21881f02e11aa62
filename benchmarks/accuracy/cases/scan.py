"""A scan of the panel and its truth; both are moved together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operators.geometry.volume import Box, CtVolume, Grid, LabelMap


@dataclass(frozen=True, eq=False)
class Scan:
    """A CT, and on the same grid what a perfect reader finds in it."""

    ct: CtVolume
    truth: LabelMap

    @property
    def grid(self) -> Grid:
        """Where the voxels of both lie."""
        return self.ct.grid


def scan_of(hu: NDArray[Any], labels: NDArray[Any], grid: Grid) -> Scan:
    """Both arrays on one grid."""
    return Scan(CtVolume(hu, grid), LabelMap(labels, grid))


def cropped(scan: Scan, box: Box) -> Scan:
    """Returns the part of a scan inside the box."""
    return scan_of(scan.ct.hu[box.slices], scan.truth.labels[box.slices], scan.grid.crop(box))


def axis_along(grid: Grid, direction: int) -> tuple[int, bool]:
    """The array axis that runs most nearly along x, y or z (0, 1, 2), and whether it runs with it."""
    along = grid.ijk_to_lps[direction, :3] / np.array(grid.spacing_mm)
    axis = int(np.argmax(np.abs(along)))
    return axis, bool(along[axis] > 0)
