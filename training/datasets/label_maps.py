"""One label map on the image's grid, from a mask, from several, or from voxelised surfaces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operators.dicom.seg.seg_reader import SegmentInfo
from operators.errors import UnsuitableError
from operators.geometry.regridding import onto_grid
from operators.geometry.volume import CtVolume, Grid, LabelMap, background
from operators.image_files.label_files import read_named, stem
from training.datasets.naming import Numbering, meaning_of_segment, unnamed

# A voxel's centre may lie this share of a voxel away from that of the image, by rounding of the headers
ON_LATTICE = 0.05
# Neighbouring parts may share the voxels of their common face; where more of the smaller one is claimed
# twice, one of the two is wrong. Chosen, not measured
MOST_SHARED = 0.02


@dataclass(frozen=True, eq=False)
class Labelled:
    """An image with its labels, values of the data set's numbering, and notes on how they were made."""

    image: CtVolume
    labels: LabelMap
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mask:
    """One mask of a case: a label of that name and its voxels (I, J, K)."""

    name: str
    inside: NDArray[np.bool_]


def label_one(
    image: CtVolume, path: Path, numbering: Numbering, fixed: Callable[[int], str] | None
) -> Labelled:
    """Returns the labels of one file, which holds all structures. `fixed` names its values, if the set does.

    Raises UnreadableError, and UnsuitableError for another grid.
    """
    own, segments = read_named(path, image.grid)
    placed, notes = on_grid(own, image.grid, path.name)
    found = [int(value) for value in np.flatnonzero(np.bincount(placed.labels.ravel(order="K"))) if value]
    values = {value: value_in(numbering, value, segments, fixed) for value in found}
    table = np.zeros(max(found, default=0) + 1, np.uint16)
    for value, new in values.items():
        table[value] = new
    return Labelled(image, smallest(table[placed.labels], image.grid), notes)


def value_in(
    numbering: Numbering,
    value: int,
    segments: Sequence[SegmentInfo] | None,
    fixed: Callable[[int], str] | None,
) -> int:
    """Returns the data set's value for a value of a file. Raises UnsuitableError if it has none."""
    if fixed is not None:
        return numbering.value_of(fixed(value), value)
    named = {segment.value: segment for segment in segments or ()}
    if value in named:
        segment = named[value]
        return numbering.value_of(segment.label, value, meaning_of_segment(segment, numbering.structures))
    return numbering.value_of(unnamed(value), value)


def label_several(image: CtVolume, paths: Sequence[Path], numbering: Numbering) -> Labelled:
    """Yields the labels of several files, each with one structure, named by the file.

    Raises UnreadableError, and UnsuitableError for a file of several structures or on another grid.
    """
    notes: list[str] = []

    def masks() -> Iterable[Mask]:
        for path in paths:
            placed, said = on_grid(read_named(path, image.grid)[0], image.grid, path.name)
            notes.extend(said)
            yield Mask(stem(path.name), one_structure(placed, path.name))

    labels, shared = combine(masks(), image.grid, numbering)
    return Labelled(image, labels, (*notes, *shared))


def one_structure(placed: LabelMap, name: str) -> NDArray[np.bool_]:
    """Returns the labelled voxels. Raises UnsuitableError for a mask of several values."""
    inside: NDArray[np.bool_] = placed.labels > 0
    values = np.unique(placed.labels[inside])
    if len(values) > 1:
        raise UnsuitableError(
            f"expected one structure in each of several masks, got {values[:5].tolist()} in {name}",
            code="several_label_maps",
        )
    return inside


def combine(masks: Iterable[Mask], grid: Grid, numbering: Numbering) -> tuple[LabelMap, tuple[str, ...]]:
    """Returns the label map of masks; a voxel of two goes to the first, with a note.

    Raises UnsuitableError if two share more than `MOST_SHARED` of the smaller one.
    """
    labels, sizes, notes = np.zeros(grid.shape, np.uint16), dict[int, int](), list[str]()
    names: dict[int, str] = {}
    for mask in masks:
        value = numbering.value_of(mask.name)
        names[value] = mask.name
        under = np.bincount(labels[mask.inside], minlength=value + 1)
        own = int(np.count_nonzero(mask.inside))
        for other in (each for each in np.flatnonzero(under) if each not in (0, value)):
            notes.append(
                shared_sentence(mask.name, names[int(other)], int(under[other]), own, sizes[int(other)])
            )
        labels[mask.inside & (labels == 0)] = value
        sizes[value] = sizes.get(value, 0) + own
    return smallest(labels, grid), tuple(notes)


def shared_sentence(name: str, other: str, shared: int, own: int, others: int) -> str:
    """Says that two masks share voxels. Raises UnsuitableError if they share too many."""
    share = shared / max(min(own, others), 1)
    text = f"{other} and {name} share {shared} voxels, {share:.1%} of the smaller one"
    if share > MOST_SHARED:
        raise UnsuitableError(
            f"expected labels that do not overlap by more than {MOST_SHARED:.0%}, but {text}",
            code="overlapping_labels",
        )
    return f"{text}; they are {other}'s"


def on_grid(label_map: LabelMap, grid: Grid, name: str) -> tuple[LabelMap, tuple[str, ...]]:
    """Returns the labels on the image's grid, and a note if their array was in another order of voxels.

    Nothing is interpolated. Raises UnsuitableError for a mask whose voxels are not those of the image, and
    for labels outside it.
    """
    to_image = grid.lps_to_ijk @ label_map.grid.ijk_to_lps
    corner = np.array([*(size - 1 for size in label_map.grid.shape), 1.0])
    exact = np.rint(to_image)
    drift = np.abs(to_image - exact) @ np.maximum(corner, 1)
    if drift[:3].max() > ON_LATTICE or not is_reordering(exact[:3, :3]):
        raise UnsuitableError(
            f"expected {name} on the grid of its image, {words_of(grid)}, got {words_of(label_map.grid)}: "
            "masks are not resampled",
            code="mask_on_another_grid",
        )
    if label_map.grid.shape == grid.shape and np.array_equal(exact, np.eye(4)):
        return LabelMap(label_map.labels, grid), ()
    snapped = replace(label_map.grid, ijk_to_lps=grid.ijk_to_lps @ exact)
    moved = onto_grid(LabelMap(label_map.labels, snapped), grid)
    lost = int(np.count_nonzero(label_map.labels)) - int(np.count_nonzero(moved.labels))
    if lost:
        raise UnsuitableError(
            f"expected labels of {name} inside the image, got {lost} labelled voxels outside it",
            code="labels_outside_image",
        )
    return moved, (f"{name} has the image's voxels in another order, or only a part of them",)


def is_reordering(turn: NDArray[np.float64]) -> bool:
    """Returns whether a matrix only permutes and reverses axes."""
    return bool(
        np.array_equal(np.abs(turn).sum(axis=0), np.ones(3))
        and np.array_equal(np.abs(turn).sum(axis=1), np.ones(3))
    )


def words_of(grid: Grid) -> str:
    """Shape, spacing and origin of a grid in words."""
    shape = " x ".join(map(str, grid.shape))
    spacing = " x ".join(f"{mm:.3g}" for mm in grid.spacing_mm)
    origin = ", ".join(f"{mm:.1f}" for mm in grid.ijk_to_lps[:3, 3])
    return f"{shape} voxels of {spacing} mm from ({origin})"


def smallest(labels: NDArray[Any], grid: Grid) -> LabelMap:
    """Returns the labels in one byte a voxel if that is enough."""
    made = background(grid.shape, int(labels.max(initial=0)))
    made[...] = labels
    return LabelMap(made, grid)
