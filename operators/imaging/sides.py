"""Left and right by geometry: one plane between the two sides of a body."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEFT = np.array([1.0, 0.0, 0.0])
MAXIMUM_TURN_DEG = 40.0


@dataclass(frozen=True, eq=False)
class MidlinePlane:
    """Points with `normal` . lps > `offset_mm` lie on the left; the normal points to the left."""

    normal: NDArray[np.float64]
    offset_mm: float

    def left_of(self, ijk_to_lps: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """For every voxel of a grid, whether its centre lies on the left."""
        along = self.normal @ ijk_to_lps[:3, :3]
        grids = np.ogrid[tuple(slice(0, n) for n in shape)]
        height = sum(g * a for g, a in zip(grids, along, strict=True))
        left: NDArray[np.bool_] = height > self.offset_mm - self.normal @ ijk_to_lps[:3, 3]
        return left


def midline_plane(
    left_lps: NDArray[np.float64], right_lps: NDArray[np.float64], middle_lps: NDArray[np.float64]
) -> MidlinePlane | None:
    """The plane that best parts voxels called left, voxels called right, each (N, 3) in mm.

    Both sides: Fisher's discriminant, its normal kept within 40 degrees of the patient's left.
    One side only: a sagittal plane through the unpaired bones, or else beside all that was found,
    on the side that the network gave to most of it. None where there is nothing to part.
    """
    several = len(left_lps) + len(right_lps)
    if several == 0:
        return None
    share = min(len(left_lps), len(right_lps)) / several
    if share > 0.1:
        return discriminant(left_lps, right_lps)
    if len(middle_lps):
        return MidlinePlane(LEFT, float(np.median(middle_lps[:, 0])))
    beside = left_lps[:, 0].min() if len(left_lps) > len(right_lps) else right_lps[:, 0].max()
    return MidlinePlane(LEFT, float(beside))


def discriminant(left_lps: NDArray[np.float64], right_lps: NDArray[np.float64]) -> MidlinePlane:
    """Fisher's linear discriminant of two clouds; medians, as some voxels bear the wrong side."""
    centre_left, centre_right = np.median(left_lps, axis=0), np.median(right_lps, axis=0)
    normal = centre_left - centre_right
    normal /= np.linalg.norm(normal)
    if normal @ LEFT < np.cos(np.radians(MAXIMUM_TURN_DEG)):
        normal = LEFT
    inner_left = np.percentile(left_lps @ normal, 3)
    inner_right = np.percentile(right_lps @ normal, 97)
    return MidlinePlane(normal, float((inner_left + inner_right) / 2))
