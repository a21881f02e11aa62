"""Where to look: the place at which a segment, or the contact of two fragments, is seen best."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.dicom.seg.seg_reader import SegmentInfo
from operators.geometry.volume import Box, LabelMap

# The distance in voxels at which two fragments still face each other: some millimetres
NEAR_VOXELS = 4


@dataclass(frozen=True)
class Mark:
    """A place in LPS mm; `values` is one segment, or the two that meet there."""

    values: tuple[int, ...]
    lps_mm: tuple[float, float, float]


def find_marks(labels: LabelMap, infos: Sequence[SegmentInfo]) -> tuple[Mark, ...]:
    """Returns a mark for each segment with a voxel, and for each two fragments of a bone that meet."""
    boxes = {value: Box.of(box) for value, box in enumerate(ndimage.find_objects(labels.labels), 1) if box}
    own = [Mark((value,), widest(labels, box, value)) for value, box in boxes.items()]
    return (*own, *contacts(labels, infos, boxes))


def widest(labels: LabelMap, box: Box, value: int) -> tuple[float, float, float]:
    """Returns the middle of a segment in the slice in which it is largest."""
    inside = labels.labels[box.slices] == value
    k = int(np.count_nonzero(inside, axis=(0, 1)).argmax())
    return place_in(labels, box, np.argwhere(inside[:, :, k : k + 1]) + np.array((0, 0, k)))


def contacts(labels: LabelMap, infos: Sequence[SegmentInfo], boxes: dict[int, Box]) -> Iterator[Mark]:
    """Yields the marks of fragments that meet."""
    broken = sorted((each for each in infos if each.fragment), key=lambda each: each.bone)
    for _, group in groupby(broken, key=lambda each: each.bone):
        present = [each.value for each in group if each.value in boxes]
        for one, other in combinations(present, 2):
            box = boxes[other].grow((NEAR_VOXELS,) * 3, labels.labels.shape)
            block = labels.labels[box.slices]
            if (reach := block == one).any():
                near = ndimage.binary_dilation(reach, iterations=NEAR_VOXELS) & (block == other)
                if near.any():
                    yield Mark((one, other), place_in(labels, box, np.argwhere(near)))


def place_in(labels: LabelMap, box: Box, voxels: NDArray[np.intp]) -> tuple[float, float, float]:
    """Returns the place of that voxel of a block that is nearest to the middle of all."""
    nearest = voxels[np.square(voxels - voxels.mean(axis=0)).sum(axis=1).argmin()]
    x, y, z = labels.grid.to_lps((nearest + box.start)[np.newaxis])[0]
    return float(x), float(y), float(z)
