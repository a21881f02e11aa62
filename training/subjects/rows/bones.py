"""A row of bones in a label map, and its reading from a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.row_tables import DeformedRowTable
from training.subjects.rows.course import Array, Course, course_of
from training.subjects.subjects import class_of, load_lps, names_of, resample

Labels = NDArray[np.uint8]
Soft = NDArray[np.float32]
# Smaller remains of a bone, where the scan ends, are no bone of the row
LEAST_MM3 = 2500.0


@dataclass(frozen=True, eq=False)
class BonesInRow:
    """A label map with a row of bones: their values from the top down, and the course of the row."""

    structures: Labels
    names: Mapping[int, str]
    values: tuple[int, ...]
    course: Course
    spacing_mm: float


def read_row(data: Path, row: DeformedRowTable, classes: dict[str, list[str]]) -> BonesInRow:
    """Reads a label map and crops it to the surroundings of its row of bones."""
    array, spacing = load_lps(data / row.path)
    names = names_of(data, row)
    structures = fine_labels(array.astype(np.uint8), spacing, row.spacing_mm)
    sizes = np.bincount(structures.ravel(), minlength=256) * row.spacing_mm**3
    own = {v: class_of(n, classes) for v, n in names.items() if class_of(n, classes)}
    values = tuple(sorted((v for v in own if sizes[v] >= LEAST_MM3), key=lambda v: own[v]))
    there = np.argwhere(np.isin(structures, values))
    low, high = there.min(axis=0), there.max(axis=0) + 1
    margin = np.array([*row.around_mm, 40.0]) / row.spacing_mm
    start = np.maximum(low - margin, 0).astype(int)
    stop = np.minimum(high + margin, structures.shape).astype(int)
    cut = np.ascontiguousarray(structures[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))])
    return BonesInRow(cut, names, values, course_of(cut, values, row.spacing_mm), row.spacing_mm)


def fine_labels(array: Labels, spacing: Array, to_mm: float) -> Labels:
    """Returns labels resampled to cubic voxels, of finer ones by smoothed masks, not the nearest."""
    if spacing.min() > 0.8 * to_mm:
        return np.asarray(resample(array, spacing, to_mm, 0), np.uint8)
    zoom = spacing / to_mm
    labels = np.zeros(np.round(np.array(array.shape) * zoom).astype(int), np.uint8)
    best = np.zeros(labels.shape, np.float32)
    for value, box in enumerate(ndimage.find_objects(array), start=1):
        if box is not None:
            add_soft(labels, best, array == value, value, zoom, box)
    return labels


def add_soft(
    labels: Labels, best: Soft, mask: NDArray[np.bool_], value: int, zoom: Array, box: tuple[slice, ...]
) -> None:
    """Adds a mask to coarser labels, in place, where it fills half of a voxel and more of it than others."""
    start = [max(int(np.floor(side.start * z)) - 2, 0) for side, z in zip(box, zoom, strict=True)]
    ends = zip(box, zoom, labels.shape, strict=True)
    stop = [min(int(np.ceil(side.stop * z)) + 2, n) for side, z, n in ends]
    at = [(np.arange(a, b) + 0.5) / z - 0.5 for a, b, z in zip(start, stop, zoom, strict=True)]
    margin = tuple(slice(max(side.start - 8, 0), side.stop + 8) for side in box)
    soft = ndimage.gaussian_filter(mask[margin].astype(np.float32), 0.4 / zoom)
    own = [axis - side.start for axis, side in zip(at, margin, strict=True)]
    share = ndimage.map_coordinates(soft, np.meshgrid(*own, indexing="ij"), order=1)
    block = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    better = (share > best[block]) & (share >= 0.5)
    labels[block][better], best[block][better] = value, share[better]
