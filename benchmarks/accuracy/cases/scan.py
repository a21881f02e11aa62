"""A scan of the panel and its ground truth, which are transformed together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operators.geometry.volume import Box, CtVolume, Grid, LabelMap


@dataclass(frozen=True, eq=False)
class Scan:
    """A CT and its ground truth on the same grid."""

    ct: CtVolume
    truth: LabelMap

    @property
    def grid(self) -> Grid:
        """Returns the grid of both."""
        return self.ct.grid


def scan_of(hu: NDArray[Any], labels: NDArray[Any], grid: Grid) -> Scan:
    """Builds a scan from arrays on one grid."""
    return Scan(CtVolume(hu, grid), LabelMap(labels, grid))


def cropped(scan: Scan, box: Box) -> Scan:
    """Returns the part of a scan inside the box."""
    return scan_of(scan.ct.hu[box.slices], scan.truth.labels[box.slices], scan.grid.crop(box))


def axis_along(grid: Grid, direction: int) -> tuple[int, bool]:
    """Returns the array axis closest to x, y or z (0, 1, 2), and whether it runs in the same direction."""
    along = grid.ijk_to_lps[direction, :3] / np.array(grid.spacing_mm)
    axis = int(np.argmax(np.abs(along)))
    return axis, bool(along[axis] > 0)
