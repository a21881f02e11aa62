"""What an edited SEG changes of the SEG that it was made from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from operators.dicom.seg.seg_reader import SegmentInfo, read_seg_on, read_segments
from operators.evaluation.metrics import Change
from operators.geometry.volume import Grid


def seg_differences(edited: Path, original: Path, grid: Grid) -> Iterator[Change]:
    """Yields the segments that differ, on `grid`, those of the original first. Raises UnreadableError."""
    now, before = read_segments(edited), read_segments(original)
    own, former = read_seg_on(edited, grid).labels, read_seg_on(original, grid).labels
    ml = grid.voxel_volume_mm3 / 1000
    pairs = [(same_segment(each, now), each) for each in before]
    taken = {id(one) for one, _ in pairs}
    for one, other in (*pairs, *((each, None) for each in now if id(each) not in taken)):
        sizes = [
            int(np.count_nonzero(own == one.value)) if one else 0,
            int(np.count_nonzero(former == other.value)) if other else 0,
            int(np.count_nonzero((own == one.value) & (former == other.value))) if one and other else 0,
        ]
        if sizes[0] + sizes[1] > 2 * sizes[2]:
            named = other or one
            assert named is not None
            yield Change(
                named.label,
                round(2 * sizes[2] / (sizes[0] + sizes[1]), 4),
                round((sizes[0] - sizes[2]) * ml, 3),
                round((sizes[1] - sizes[2]) * ml, 3),
            )


def same_segment(of: SegmentInfo, among: tuple[SegmentInfo, ...]) -> SegmentInfo | None:
    """Returns the segment that is followed under the same UID, else the one of the same name."""
    tracked = [each for each in among if each.tracking_uid and each.tracking_uid == of.tracking_uid]
    named = [each for each in among if (each.bone, each.fragment) == (of.bone, of.fragment)]
    labelled = [each for each in among if each.label == of.label]
    return next(iter((*tracked, *named, *labelled)), None)
