"""Samples a volume along the patient's own axes, on cubes of one size."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.geometry.volume import Box, Grid, LabelMap

MARGIN_MM = 12.0
LEAST_EXTENT_MM = 80.0


@dataclass(frozen=True, eq=False)
class PatientBox:
    """A block of cubes along left, posterior, superior; `corner_mm` is the centre of the first (LPS)."""

    corner_mm: NDArray[np.float64]
    step_mm: float
    shape: tuple[int, int, int]

    def sample(self, array: NDArray[Any], grid: Grid, order: int, outside: int) -> NDArray[Any]:
        """Returns `array` on `grid` sampled at these cubes; order 0 is nearest, 1 is linear."""
        to_ijk = grid.lps_to_ijk
        offset = to_ijk[:3, :3] @ self.corner_mm + to_ijk[:3, 3]
        sampled: NDArray[Any] = ndimage.affine_transform(
            array,
            to_ijk[:3, :3] * self.step_mm,
            offset,
            output_shape=self.shape,
            order=order,
            mode="constant",
            cval=outside,
            prefilter=False,
        )
        return sampled

    def position_mm(self, cube: tuple[int, int, int]) -> tuple[float, float, float]:
        """Returns the centre of a cube, LPS in mm."""
        x, y, z = self.corner_mm + self.step_mm * np.array(cube)
        return float(x), float(y), float(z)

    def plane(self, axis: int, along_mm: float) -> PatientBox:
        """Returns the cubes of one plane, at `along_mm` of its axis: 0 sagittal, 1 coronal, 2 axial."""
        corner_mm = self.corner_mm.copy()
        corner_mm[axis] = along_mm
        x, y, z = (1 if a == axis else n for a, n in enumerate(self.shape))
        return PatientBox(corner_mm, self.step_mm, (x, y, z))


def patient_box(label_map: LabelMap, longest: int, least_mm: float = 0.0) -> PatientBox:
    """Returns the box around all labels with a margin (around the whole grid if there are none).

    It has at most `longest` cubes along a side, fewer if they would be smaller than `least_mm`.
    """
    low_mm, high_mm = _extent_mm(
        label_map.grid, Box.around(label_map.labels) or Box((0, 0, 0), label_map.grid.shape)
    )
    short_mm = np.maximum(LEAST_EXTENT_MM - (high_mm - low_mm), 2 * MARGIN_MM) / 2
    low_mm, high_mm = low_mm - short_mm, high_mm + short_mm
    step_mm = max(float((high_mm - low_mm).max() / longest), least_mm)
    x, y, z = (int(n) for n in np.ceil((high_mm - low_mm) / step_mm))
    return PatientBox(low_mm + step_mm / 2, step_mm, (x, y, z))


def _extent_mm(grid: Grid, box: Box) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    ends = [(a - 0.5, b - 0.5) for a, b in zip(box.start, box.stop, strict=True)]
    corners = np.array([(*corner, 1.0) for corner in product(*ends)]) @ grid.ijk_to_lps.T
    return corners[:, :3].min(axis=0), corners[:, :3].max(axis=0)
