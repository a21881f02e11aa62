"""Writes the fragments of all bones onto the source grid and describes each."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from operators.bones.outlines import OutlinedBone
from operators.fragments.evidence import Fragments
from operators.geometry.resampling import covering_box, interpolate_scalar
from operators.geometry.volume import Box, Grid, LabelMap, Labels, background, slabs
from operators.packages.confidence import CERTAIN, Confidence, log_odds, stated_probability
from operators.packages.plans import SplittingPackage
from operators.segmentation.segmentation import Contact, Segment, Segmentation
from operators.segmentation.segments import segment_of

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class FracturedBone:
    """A bone, and its fragments on `grid`."""

    outline: OutlinedBone
    fragments: Fragments
    grid: Grid


def unsplit(bone: OutlinedBone) -> FracturedBone:
    """Returns a bone that is delivered whole, without any evidence of fractures."""
    return FracturedBone(bone, Fragments(np.ones((1, 1, 1), np.uint16), {}, -CERTAIN), bone.region.grid)


def assemble_segmentation(
    source: Grid, bones: tuple[FracturedBone, ...], package: SplittingPackage
) -> Segmentation:
    """Returns all bones as one label map on the source grid; only bone-sized blocks are interpolated."""
    labels = background(source.shape, package.highest_value)
    warnings: list[str] = []
    for bone in bones:
        warnings.extend(write_bone(labels, source, bone))
    labels_read = LabelMap(labels, source)
    segments, contacts = [], []
    for bone in bones:
        shown = segments_of(bone, labels, source, package)
        segments.extend(shown)
        contacts.extend(contacts_of(bone, shown, package.confidence))
    return Segmentation(labels_read, tuple(segments), package, tuple(warnings), tuple(contacts))


def write_bone(labels: Labels, source: Grid, bone: FracturedBone) -> list[str]:
    """Writes one bone into `labels`, in place; returns warnings."""
    box, inside, label = bone.outline.box, bone.outline.inside, bone.outline.region.label
    values = label.values
    winners, dropped = nearest_fragments(bone, source.crop(box), inside, len(values))
    part = labels[box.slices]
    part[inside] = winners[inside] + labels.dtype.type(values.start - 1)
    if not dropped:
        return []
    return [f"{label.spoken}: {dropped} more fragments than the {len(values)} that the package can label"]


def nearest_fragments(
    bone: FracturedBone, block: Grid, inside: NDArray[np.bool_], most: int
) -> tuple[NDArray[np.uint8], int]:
    """Returns for each voxel of `block` the fragment (1, 2, ...) with the highest interpolated indicator.

    Voxels of the bone that no indicator reaches get the nearest fragment. Fragments beyond `most` are merged
    into the nearest kept one; their number is returned.
    """
    fragments = bone.fragments.labels
    count = int(fragments.max())
    winner = np.ones(block.shape, np.uint8)
    if count <= 1:
        return winner, 0
    winner[...] = 0
    boxes = ndimage.find_objects(fragments, min(count, most))
    for slab in slabs(block.shape):
        best = np.zeros(slab.shape, np.float32)
        for value, own in enumerate(boxes, start=1):
            if own is not None:
                box = Box.of(own).grow((1, 1, 1), bone.grid.shape)  # there the indicator falls to 0
                compete(value, box, bone, block.crop(slab), winner[slab.slices], best)
    lost = inside & (winner == 0)
    if lost.any():
        winner[lost] = nearest_winner(winner, lost, block.spacing_mm)
    return winner, max(count - most, 0)


def nearest_winner(
    winner: NDArray[np.uint8], lost: NDArray[np.bool_], spacing_mm: tuple[float, ...]
) -> NDArray[np.uint8] | int:
    """Returns for each lost voxel the winner that lies nearest; 1 if there is none nearby.

    Lost voxels lie at the bone's rim, within two voxels of a fragment: a distance map of the whole block
    would be the largest array of a run.
    """
    nearby = ndimage.binary_dilation(lost, iterations=6) & (winner > 0)
    if not nearby.any():
        return 1
    _, index = cKDTree(np.argwhere(nearby) * spacing_mm).query(np.argwhere(lost) * spacing_mm)
    found: NDArray[np.uint8] = winner[nearby][index]
    return found


def compete(
    value: int, own: Box, bone: FracturedBone, block: Grid, winner: NDArray[np.uint8], best: Array
) -> None:
    """Makes a fragment, in the box `own`, the winner wherever its indicator exceeds `best`; in place."""
    grid = bone.grid.crop(own)
    reached = covering_box(block, grid)
    if reached is None:
        return
    there = (bone.fragments.labels[own.slices] == value).astype(np.float32)
    indicator = interpolate_scalar(there, grid, block.crop(reached), 0.0)
    won, before = winner[reached.slices], best[reached.slices]
    better = indicator > before
    won[better], before[better] = value, indicator[better]


def segments_of(
    bone: FracturedBone, labels: Labels, source: Grid, package: SplittingPackage
) -> list[Segment]:
    """Describes each label value of one bone; values without a voxel on the source grid are left out."""
    label = bone.outline.region.label
    found = labels[bone.outline.box.slices][bone.outline.inside]
    counts = np.bincount(found, minlength=label.last_value + 1)
    values = [value for value in label.values if counts[value]]
    whole = len(values) == 1
    ml = source.voxel_volume_mm3 / 1000
    return [
        fragment_of(bone, value, None if whole else n, float(counts[value] * ml), package)
        for n, value in enumerate(values, start=1)
    ]


def contacts_of(bone: FracturedBone, shown: list[Segment], confidence: Confidence) -> list[Contact]:
    """Returns the contacts between the shown fragments, if the package has a calibration for them."""
    first = bone.outline.region.label.first_value
    number = {segment.value - first + 1: segment.fragment for segment in shown}
    found = []
    for (a, b), odds in bone.fragments.contacts.items():
        one, other, probability = number.get(a), number.get(b), stated_probability(confidence.contact, odds)
        if one is not None and other is not None and probability is not None:
            found.append(Contact(bone.outline.region.label.name, (one, other), probability))
    return found


def fragment_of(
    bone: FracturedBone, value: int, fragment: int | None, volume_ml: float, package: SplittingPackage
) -> Segment:
    """Returns one segment with its probabilities, the ones by which pieces were shown or left out."""
    label, found, confidence = bone.outline.region.label, bone.fragments, package.confidence
    sure = bone.outline.region.network_mean
    number = value - label.first_value + 1
    own = None if fragment is None else stated_probability(confidence.contact, found.own(number))
    return replace(
        segment_of(label, package.labels, value, fragment, volume_ml, sure),
        bone_probability=stated_probability(confidence.bone, log_odds(sure)),
        # Nobody looked for fractures of a bone that has one value
        fracture_probability=(
            stated_probability(confidence.of_fractures, found.fractured) if len(label.values) > 1 else None
        ),
        fragment_probability=own,
        evidence=bone.outline.region.evidence,
    )
