"""Cuts a bone out of a CT for a fracture network, and turns the network's classes into fragments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.fragments.watershed import by_size, large_enough, with_nearest
from operators.geometry.volume import Box, CtVolume
from operators.geometry.volume import Labels as Delivered
from operators.packages.plans import SplittingRules

Labels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Pieces:
    """Fragments 1, 2, ... of one bone, by falling size, in `labels` (I, J, K); 0 is background.

    `classes` are the network's values of the fragments, the largest first; `beyond` counts the surplus
    fragments that were merged into others.
    """

    labels: NDArray[np.uint16]
    classes: tuple[int, ...]
    beyond: int


def cut_out_bone(volume: CtVolume, box: Box, bone: NDArray[np.bool_], blank_hu: float) -> CtVolume:
    """Returns the block `box` of a CT, filled with `blank_hu` outside `bone` (I, J, K of the block)."""
    hu = volume.hu[box.slices]
    return CtVolume(np.where(bone, hu, hu.dtype.type(blank_hu)), volume.grid.crop(box))


def pieces_of(
    answer: Labels, values: Mapping[str, int], rules: SplittingRules, voxel_mm3: float, most: int
) -> Pieces:
    """Returns at most `most` fragments of the network's output (I, J, K), whose classes have `values`."""
    numbered, made_of = np.zeros(answer.shape, np.int32), [0]
    for name, value in values.items():
        there = answer == value
        parts, count = ndimage.label(there) if name in rules.pieces else (there, int(there.any()))
        numbered[there] = parts[there] + (len(made_of) - 1)
        made_of += [value] * count
    joined = with_nearest(numbered, large_enough(numbered, rules.minimum_mm3 / voxel_mm3))
    ranks = by_size(joined, len(made_of))
    beyond = max(int(ranks.max()) - most, 0)
    if beyond:
        joined = with_nearest(joined, ranks <= most)
        ranks = by_size(joined, len(made_of))
    order = np.argsort(ranks, kind="stable")[np.count_nonzero(ranks == 0) :]
    return Pieces(ranks[joined], tuple(made_of[number] for number in order), beyond)


def write_pieces(labels: Delivered, pieces: Pieces, anatomy: Labels, own: int, first: int) -> None:
    """Writes fragments as `first`, `first + 1`, ... into the block `labels`, in place.

    Where the network extends beyond the bone, which has the value `own` in `anatomy`, other bones and voxels
    written before are kept.
    """
    free = (labels == 0) & ((anatomy == own) | (anatomy == 0)) & (pieces.labels > 0)
    labels[free] = (pieces.labels + (first - 1))[free].astype(labels.dtype)
