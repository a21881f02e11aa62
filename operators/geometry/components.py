"""Connected components with their sizes, and nnU-Net's post-processing, which keeps the largest."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, with_config
from scipy import ndimage

Labels = NDArray[np.uint8]


@with_config(ConfigDict(strict=True, extra="forbid"))
@dataclass(frozen=True)
class Largest:
    """A rule for voxels with one of `values`, treated as one region, of which only the largest component is
    kept.

    Components as large as the largest, and those of `kept_mm3` or more, are kept too. Voxels are connected
    over faces (`connected` = 1), also over edges (2), also over corners (3).
    """

    values: Annotated[tuple[int, ...], Field(min_length=1)]
    connected: Annotated[int, Field(ge=1, le=3)]
    kept_mm3: float = inf


def keep_largest(labels: Labels, rule: Largest, voxel_mm3: float) -> None:
    """Removes the other components from `labels` (I, J, K), in place."""
    wanted = np.isin(np.arange(256), rule.values)
    boxes = ndimage.find_objects(wanted.astype(np.uint8)[labels])
    if not boxes:
        return
    part = labels[boxes[0]]
    parts, sizes = components_of(wanted[part], rule.connected)
    stay = (sizes == sizes.max()) | (sizes * voxel_mm3 >= rule.kept_mm3)
    # The background is not a component
    stay[0] = True
    part[~stay[parts]] = 0


def components_of(mask: NDArray[np.bool_], connected: int = 1) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Returns the number (I, J, K) of each voxel's component, 0 outside of `mask`, and the voxels of each.

    Voxels are connected over faces, or as in `Largest`; there are no voxels of the number 0.
    """
    parts, count = ndimage.label(mask, ndimage.generate_binary_structure(3, connected))
    return parts, sizes_of(parts, count)


def sizes_of(parts: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Counts the voxels of components 1, 2, ..., plane by plane, as numpy needs eight bytes a voxel."""
    sizes = np.zeros(count + 1, np.int64)
    for plane in parts:
        sizes += np.bincount(plane.ravel(), minlength=count + 1)
    sizes[0] = 0
    return sizes
