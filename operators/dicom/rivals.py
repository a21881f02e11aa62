"""Which series show the same part of the body, so that one result is enough for both."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from operators.dicom.series import Series
from operators.imaging.volume import Grid

# Two series are rivals where they share at least this part of the smaller one's box: below it each shows
# much that the other does not.
RIVALS_SHARE = 0.5


def are_rivals(one: Series, other: Series) -> bool:
    """Whether one result is enough for both: one study, and one part of the body.

    In one frame of reference, and within one DICOM series, boxes in patient space say so. Else nothing
    relates the two: a second frame of reference is mostly a repeated scan of the same region, and only one
    that names another region counts as another scan, worth a result of its own.
    """
    if one.study_instance_uid != other.study_instance_uid:
        return False
    related = (
        one.frame_of_reference_uid == other.frame_of_reference_uid
        or one.series_instance_uid == other.series_instance_uid
    )
    if related and one.grid and other.grid:
        return shared_part(one.grid, other.grid) >= RIVALS_SHARE
    return related or not one.body_part or not other.body_part or one.body_part == other.body_part


def shared_part(one: Grid, other: Grid) -> float:
    """Volume that two grids' boxes share, as part of the smaller: 0 to 1."""
    (low, high), (other_low, other_high) = _box_mm(one), _box_mm(other)
    common = np.clip(np.minimum(high, other_high) - np.maximum(low, other_low), 0, None)
    smaller = min(np.prod(high - low), np.prod(other_high - other_low))
    return float(np.prod(common) / smaller)


def _box_mm(grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The lowest and the highest LPS coordinates (3,) of any voxel, to its edge."""
    corners = np.array(np.meshgrid(*((-0.5, n - 0.5) for n in grid.shape), indexing="ij")).reshape(3, -1)
    places = grid.ijk_to_lps[:3, :3] @ corners + grid.ijk_to_lps[:3, 3:]
    return places.min(axis=1), places.max(axis=1)
