"""A bone on a patch, its fragments, and what the fracture network is to say of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.sampling import Array

Labels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Box = tuple[slice, ...]

# Half a fracture line as human readers draw it; also as far as the outline of a bone may err
CONTACT_MM = 2.4


@dataclass(frozen=True, eq=False)
class BrokenModel:
    """A bone on a patch: `hu` float32 everywhere, `fragments` uint8 (0 outside the bone)."""

    hu: Array
    fragments: Labels


def present(fragments: NDArray[np.integer]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Returns the fragments' values and their sizes in voxels."""
    sizes = np.bincount(fragments.ravel())
    sizes[0] = 0
    values = np.flatnonzero(sizes)
    return values, sizes[values]


def box_of(mask: Mask, margin: int = 0) -> Box:
    """Returns the block that holds `mask`, grown by `margin` voxels; the whole array where it is empty."""
    boxes = ndimage.find_objects(mask.view(np.uint8))
    if not boxes:
        return tuple(slice(0, n) for n in mask.shape)
    return tuple(
        slice(max(side.start - margin, 0), min(side.stop + margin, n))
        for side, n in zip(boxes[0], mask.shape, strict=True)
    )


def separate(fragments: Labels, smallest: float, most: int) -> Labels:
    """Returns each connected piece of its own; too small ones, or past the `most` largest, join others."""
    box = box_of(fragments > 0)
    whole = fragments[box]
    pieces, sizes = components(whole)
    order = np.argsort(-sizes, kind="stable")[:most]
    kept = order[sizes[order] >= smallest]
    if len(kept) == 0:
        return fragments
    number = np.zeros(len(sizes), np.uint8)
    number[kept] = np.arange(1, len(kept) + 1)
    renumbered = number[pieces]
    result = np.zeros_like(fragments)
    result[box] = with_nearest(renumbered, whole > 0)
    return result


def components(fragments: Labels) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """Connected pieces 1, 2, ... of all fragments, and how many voxels each number has (none for 0)."""
    pieces, count = np.zeros(fragments.shape, np.int32), 0
    for value in present(fragments)[0]:
        parts, found = ndimage.label(fragments == value)
        pieces = np.where(parts, parts + count, pieces)
        count += found
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    sizes[0] = 0
    return pieces, sizes


def with_nearest(labels: Labels, whole: Mask) -> Labels:
    """`labels`, and for the voxels of `whole` that have none the nearest one."""
    lost = whole & (labels == 0)
    values = present(labels)[0]
    if not lost.any() or len(values) == 0:
        return labels
    filled = labels.copy()
    if len(values) == 1:
        filled[lost] = values[0]
        return filled
    nearest = ndimage.distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
    filled[lost] = labels[tuple(axis[lost] for axis in nearest)]
    return filled


def several_fragments(fragments: Labels, width: int) -> Mask:
    """Voxels in whose cube of `width` voxels two different fragments lie."""
    highest = ndimage.maximum_filter(fragments, width)
    inverse = np.where(fragments > 0, 255 - fragments, 0).astype(np.uint8)
    lowest = 255 - ndimage.maximum_filter(inverse, width)
    return (highest > 0) & (lowest < 255) & (lowest != highest)


def contact_target(fragments: Labels, spacing_mm: float) -> Labels:
    """0 outside, 1 interior, 2 contact surface: along each axis within 2.4 mm of two fragments.

    The gap between two close fragments counts as contact, so that a bone mask that runs over it
    is still cut there.
    """
    bone = fragments > 0
    target = bone.astype(np.uint8)
    if len(present(fragments)[0]) < 2:
        return target
    several = several_fragments(fragments, 2 * round(CONTACT_MM / spacing_mm) + 1)
    # scipy's closing eats what touches the array's border, hence the bone itself beside it.
    bridged = bone | ndimage.binary_closing(bone, iterations=2) if several.any() else bone
    target[several & bridged] = 2
    return target
