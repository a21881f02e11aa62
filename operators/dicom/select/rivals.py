"""Decides which series show the same part of the body, so that one result is enough for both."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from operators.dicom.headers.series import Series
from operators.geometry.volume import Grid

# One series stands for another only if they share at least this part of the smaller one's box, and if it
# shows at least this part of the other's cross-section; otherwise the other shows much that it does not.
RIVALS_SHARE = 0.5

Box = tuple[NDArray[np.float64], NDArray[np.float64]]


def stands_for(better: Series, worse: Series) -> bool:
    """Returns whether a result on `better` makes one on `worse` unnecessary: one study, and one part of the
    body.

    In one frame of reference, and within one DICOM series, boxes in patient space decide. Otherwise nothing
    relates the two: a second frame of reference is mostly a repeated scan of the same region, and only one
    that names another region counts as another scan, which gets its own result. No radiograph stands for
    another, as each is a separate view.
    """
    if better.is_projection or worse.is_projection:
        return False
    if better.study_instance_uid != worse.study_instance_uid:
        return False
    related = (
        better.frame_of_reference_uid == worse.frame_of_reference_uid
        or better.series_instance_uid == worse.series_instance_uid
    )
    if related and better.grid and worse.grid:
        return shows_the_same(better.grid, worse.grid)
    return related or not better.body_part or not worse.body_part or better.body_part == worse.body_part


def shows_the_same(better: Grid, worse: Grid) -> bool:
    """Returns whether two grids' boxes share half of the smaller one, and half of the cross-section of
    `worse`.

    A thin reconstruction of one side, or of a narrow field, does not stand for one of the whole body.
    """
    one, other = box_mm(better), box_mm(worse)
    common = shared_mm(one, other)
    sizes = one[1] - one[0], other[1] - other[0]
    smaller = min(float(np.prod(size)) for size in sizes)
    across = float(np.prod(sizes[1][:2]))
    return bool(np.prod(common) >= RIVALS_SHARE * smaller and np.prod(common[:2]) >= RIVALS_SHARE * across)


def shared_mm(one: Box, other: Box) -> NDArray[np.float64]:
    """Returns the edges (3,), mm, of the block that two boxes share; 0 along an axis where they do not."""
    return np.clip(np.minimum(one[1], other[1]) - np.maximum(one[0], other[0]), 0, None)


@lru_cache(maxsize=1024)
def box_mm(grid: Grid) -> Box:
    """Returns the lowest and the highest LPS coordinates (3,), mm, of the outer edges of all voxels."""
    corners = np.array(np.meshgrid(*((-0.5, n - 0.5) for n in grid.shape), indexing="ij")).reshape(3, -1)
    places = grid.ijk_to_lps[:3, :3] @ corners + grid.ijk_to_lps[:3, 3:]
    return places.min(axis=1), places.max(axis=1)
