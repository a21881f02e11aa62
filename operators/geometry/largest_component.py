"""Only the largest component of some labels is kept, as nnU-Net's post-processing has it."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, with_config
from scipy import ndimage

Labels = NDArray[np.uint8]


@with_config(ConfigDict(strict=True, extra="forbid"))
@dataclass(frozen=True)
class Largest:
    """A rule for voxels with one of `values`, taken as one region: its largest component stays, as do those
    as large and every other of `kept_mm3` or more.

    Voxels hang together over `connected` = 1 faces, 2 edges too, 3 corners too.
    """

    values: tuple[int, ...]
    connected: int
    kept_mm3: float = inf


def keep_largest(labels: Labels, rule: Largest, voxel_mm3: float) -> None:
    """Takes the other components out of `labels` (I, J, K), in their place."""
    wanted = np.isin(np.arange(256), rule.values)
    boxes = ndimage.find_objects(wanted.astype(np.uint8)[labels])
    if not boxes:
        return
    part = labels[boxes[0]]
    parts, count = ndimage.label(wanted[part], ndimage.generate_binary_structure(3, rule.connected))
    sizes = sizes_of(parts, count)
    stay = (sizes == sizes.max()) | (sizes * voxel_mm3 >= rule.kept_mm3)
    # The background of the components is none of them
    stay[0] = True
    part[~stay[parts]] = 0


def sizes_of(parts: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Voxels of components 1, 2, ... of `parts`; plane by plane, as numpy counts in eight bytes a voxel."""
    sizes = np.zeros(count + 1, np.int64)
    for plane in parts:
        sizes += np.bincount(plane.ravel(), minlength=count + 1)
    sizes[0] = 0
    return sizes
