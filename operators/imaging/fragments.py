"""Fracture fragments of one bone, from the probabilities of interior and contact surface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from scipy import ndimage

from operators.imaging.packages import FragmentRules

Array = NDArray[np.float32]
Labels = NDArray[np.uint16]
Faces = dict[tuple[int, int], tuple[float, int]]


@dataclass(frozen=True, eq=False)
class FractureEvidence:
    """What the fracture network says of one bone, arrays (I, J, K) on one isotropic grid.

    `bone` is the bone's mask; `interior` and `contact` are probabilities.
    """

    bone: NDArray[np.bool_]
    interior: Array
    contact: Array
    spacing_mm: float


def split(evidence: FractureEvidence, rules: FragmentRules) -> Labels:
    """Fragments 1, 2, ... by falling size, 0 outside the bone; 1 alone where it is intact."""
    return STRATEGIES[rules.strategy](evidence, rules)


def watershed_and_merge(evidence: FractureEvidence, rules: FragmentRules) -> Labels:
    """Basins of the distance to contact surfaces, merged where little contact lies between them.

    Components of the interior alone would merge two fragments through any hole in the contact
    sheet. The mean contact probability over the whole face between two basins is the evidence;
    basins with less than `rules.merge_contact` are joined, the least first (average linkage).
    """
    basins = over_segment(evidence, rules)
    merged = merge_by_contact(basins, evidence.contact, rules.merge_contact)
    voxels = rules.minimum_mm3 / evidence.spacing_mm**3
    return by_size(absorb_small(merged, evidence.contact, voxels))


def over_segment(evidence: FractureEvidence, rules: FragmentRules) -> Labels:
    """Watershed basins of the bone, more of them than there are fragments."""
    core = evidence.bone & (evidence.contact < rules.seed_probability)
    depth = ndimage.distance_transform_edt(core, sampling=evidence.spacing_mm).astype(np.float32)
    depth = ndimage.gaussian_filter(depth, 1.0)
    relief = -depth + 6 * evidence.contact
    height = SimpleITK.GetImageFromArray(relief.astype(np.float32))
    basins = SimpleITK.MorphologicalWatershed(
        height, level=1.0, markWatershedLine=False, fullyConnected=False
    )
    labels = SimpleITK.GetArrayFromImage(basins).astype(np.int32)
    labels[~evidence.bone] = 0
    return connected(labels)


def connected(labels: NDArray[np.int32]) -> Labels:
    """Every connected piece of every label a label of its own."""
    pieces = np.zeros(labels.shape, np.uint16)
    count = 0
    for value, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        parts, n = ndimage.label(labels[box] == value)
        pieces[box][parts > 0] = parts[parts > 0] + count
        count += n
    return pieces


def faces(labels: Labels, contact: Array) -> Faces:
    """For each pair of touching labels: the sum of contact over their shared face, and its size."""
    sums: Faces = {}
    for axis in range(3):
        a = np.moveaxis(labels, axis, 0)
        c = np.moveaxis(contact, axis, 0)
        meet = (a[:-1] != a[1:]) & (a[:-1] > 0) & (a[1:] > 0)
        low, high = np.minimum(a[:-1], a[1:])[meet], np.maximum(a[:-1], a[1:])[meet]
        evidence = np.maximum(c[:-1], c[1:])[meet]
        keys = low.astype(np.int64) << 32 | high
        unique, index = np.unique(keys, return_inverse=True)
        totals, sizes = np.bincount(index, evidence), np.bincount(index)
        for key, total, size in zip(unique.tolist(), totals.tolist(), sizes.tolist(), strict=True):
            pair = (key >> 32, key & 0xFFFFFFFF)
            before = sums.get(pair, (0.0, 0))
            sums[pair] = (before[0] + total, before[1] + size)
    return sums


def merge_by_contact(labels: Labels, contact: Array, threshold: float) -> Labels:
    """Joins the pair of labels with the least mean contact until every pair has `threshold`."""
    edges = faces(labels, contact)
    parent = np.arange(int(labels.max()) + 1, dtype=np.uint16)
    while edges:
        pair = min(edges, key=lambda p: edges[p][0] / edges[p][1])
        total, size = edges[pair]
        if total / size >= threshold:
            break
        parent[parent == pair[1]] = pair[0]
        edges = joined(edges, pair)
    return parent[labels]


def joined(edges: Faces, pair: tuple[int, int]) -> Faces:
    """The faces after the two labels of `pair` became one."""
    keep, gone = pair
    after: Faces = {}
    for (a, b), (total, size) in edges.items():
        a, b = (keep if a == gone else a), (keep if b == gone else b)
        if a == b:
            continue
        key = (min(a, b), max(a, b))
        before = after.get(key, (0.0, 0))
        after[key] = (before[0] + total, before[1] + size)
    return after


def absorb_small(labels: Labels, contact: Array, smallest_voxels: float) -> Labels:
    """Gives pieces that are too small to the neighbour with the least contact between.

    A small piece without any neighbour joins the nearest fragment, so that no bone voxel is lost.
    """
    labels = labels.copy()
    while True:
        sizes = np.bincount(labels.ravel())
        sizes[0] = 0
        small = [v for v in np.flatnonzero(sizes) if sizes[v] < smallest_voxels]
        if not small or np.count_nonzero(sizes) == 1:
            return labels
        value = min(small, key=lambda v: sizes[v])
        labels[labels == value] = neighbour(labels, contact, int(value))


def neighbour(labels: Labels, contact: Array, value: int) -> int:
    """The label that `value` is to join."""
    box = ndimage.find_objects((labels == value).view(np.uint8))[0]
    around = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in box)
    near = {pair: face for pair, face in faces(labels[around], contact[around]).items() if value in pair}
    if near:
        best = max(near, key=lambda p: near[p][1] - near[p][0])
        return best[0] if best[1] == value else best[1]
    others = (labels > 0) & (labels != value)
    _, nearest = ndimage.distance_transform_edt(~others, return_indices=True)
    at = np.argwhere(labels == value)[0]
    return int(labels[tuple(axis[tuple(at)] for axis in nearest)])


def by_size(labels: Labels) -> Labels:
    """Labels renumbered 1, 2, ... from the largest down."""
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    order = [v for v in np.argsort(-sizes, kind="stable") if sizes[v]]
    table = np.zeros(len(sizes), np.uint16)
    table[order] = np.arange(1, len(order) + 1)
    return table[labels]


STRATEGIES: dict[str, Callable[[FractureEvidence, FragmentRules], Labels]] = {
    "watershed_and_merge": watershed_and_merge,
}
