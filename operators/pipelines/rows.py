"""Runs the network that outlines the bones of a row one by one, and the one that tells their levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import log_softmax

from operators.bones.instances import RowOwners
from operators.bones.iterative.one_by_one import Instance, Reader, Row, patch_of
from operators.bones.iterative.traversal import Instances, find_instances
from operators.bones.regions import BoneRegion, BoneRegions, kept_classes, of_neighbours, take_class
from operators.geometry.components import components_of
from operators.geometry.resampling import (
    AIR_HU,
    covering_box,
    interpolate,
    interpolate_mask,
    interpolate_scalar,
    isotropic_grid,
    resample_hu,
)
from operators.geometry.volume import CtVolume, Grid
from operators.intensities.normalisation import normalise
from operators.networks.registry import Networks
from operators.networks.windows.sliding_window import softmax
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.packages.levels import LevelEvidence, LevelRules
from operators.packages.packages import Label, NetworkSpec

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class SeenRow:
    """Where another network saw the bones of a row, and its two ends: masks (I, J, K) on `grid`."""

    bones: Mask
    begin: Mask
    end: Mask
    grid: Grid


@dataclass(frozen=True, eq=False)
class BonesOfRow:
    """The bones of a row: the voxels of each, the evidence on its level by the name of the label whose values
    it takes, and a sentence about whatever was left out.
    """

    owners: RowOwners | None = None
    evidence: Mapping[str, LevelEvidence] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    def add_to(self, found: BoneRegions) -> BoneRegions:
        """Returns a package's bones with the evidence on those of the row."""
        bones = tuple(replace(bone, evidence=self.evidence.get(bone.label.name)) for bone in found.bones)
        there = {bone.label.name for bone in bones}
        lost = (
            f"Bone {number} of the row, from the top: left out, as too little of it is outlined."
            for number, name in enumerate(self.owners.names if self.owners else (), start=1)
            if name not in there
        )
        return BoneRegions(bones, (*found.left_out, *self.left_out, *lost))


def bones_of_row(
    channels: Array, grid: Grid, package: CoarseToFinePackage, source: CtVolume, networks: Networks
) -> BonesOfRow:
    """Returns the bones of a package's row, none if it has no row.

    `channels` are those of write_channels. Where the bones are is what the package's own network says, but
    for what the fine network gives to their neighbours: it takes the place of the class of the row in them.
    """
    labels = [label for label in package.labels if label.found_by.is_of_row]
    if not labels:
        return BonesOfRow()
    seen = seen_row(channels, grid, package, labels[0])
    found, row = outline_row(source, seen, package, networks)
    number = 1 + kept_classes(package).index(labels[0].found_by.fine_class)
    probability = interpolate_scalar(found.probability(row), row.grid, grid, 0.0)
    take_class(channels, number, probability * (1 - of_neighbours(channels, package)))
    names = tuple(label.name for label in labels[: len(found.found)])
    owners = RowOwners(owners_on(grid, found, row), names)
    evidence = level_evidence(found, row, package, networks, source.grid) if package.level else []
    nobody = seen.bones & ((owners.numbers == 0) | (owners.numbers > len(names)))
    left_out = left_out_of(nobody, grid, package, labels[0])
    return BonesOfRow(owners, dict(zip(names, evidence, strict=False)), tuple(left_out))


def seen_row(channels: Array, grid: Grid, package: CoarseToFinePackage, label: Label) -> SeenRow:
    """Returns where the fine network saw the bones of the row of a label, and its ends."""
    winner, classes = channels.argmax(axis=0), kept_classes(package)
    rules = package.iterative
    assert rules is not None  # checked when the package was read
    bones, *ends = (
        winner == 1 + classes.index(name) if name else np.zeros(winner.shape, np.bool_)
        for name in (label.found_by.fine_class, rules.begins_at, rules.ends_at)
    )
    begin, end = (pieces_of(each, rules.end_ml, grid) for each in ends)
    return SeenRow(bones, begin, end, grid)


def pieces_of(mask: Mask, least_ml: float, grid: Grid) -> Mask:
    """Returns those pieces of a mask that have a volume or more: small ones are errors of a network."""
    pieces, sizes = components_of(mask)
    large: Mask = (sizes * grid.voxel_volume_mm3 / 1000 >= max(least_ml, 1e-9))[pieces]
    return large


def left_out_of(nobody: Mask, grid: Grid, package: CoarseToFinePackage, label: Label) -> list[str]:
    """Returns a sentence about what was seen of the bones of a row and belongs to no single one."""
    volume_ml = np.count_nonzero(nobody) * grid.voxel_volume_mm3 / 1000
    if package.iterative is None or volume_ml < package.iterative.minimum_ml:
        return []
    return [f"{label.found_by.fine_class}: {volume_ml:.0f} ml that belong to no single bone were left out."]


def owners_on(grid: Grid, found: Instances, row: Row) -> NDArray[np.uint8]:
    """Returns the number (I, J, K) of the bone of a row that each voxel of another grid belongs to."""
    image = SimpleITK.GetImageFromArray(found.owners(row).transpose(2, 1, 0))
    return interpolate(image, row.grid, grid, 0, SimpleITK.sitkNearestNeighbor).astype(np.uint8)


def with_gaps(bones: Sequence[BoneRegion], labels: Sequence[Label]) -> tuple[BoneRegion, ...]:
    """Returns bones; of a row, where `labels` are given in their order, those below which one was left out
    have a gap there.
    """
    places = {label.name: number for number, label in enumerate(labels)}
    in_row = [bone for bone in bones if bone.evidence is not None]
    above = {
        one.label.name
        for one, other in pairwise(in_row)
        if places[other.label.name] - places[one.label.name] > 1
    }
    return tuple(
        replace(bone, evidence=replace(bone.evidence, gap_below=True))
        if bone.evidence is not None and bone.label.name in above
        else bone
        for bone in bones
    )


def outline_row(
    source: CtVolume, seen: SeenRow, package: CoarseToFinePackage, networks: Networks
) -> tuple[Instances, Row]:
    """Returns the bones of a row, and the row as it was read: at the spacing of the package's network.

    The package has a network for single bones and rules for them.
    """
    spec, rules = package.instance, package.iterative
    assert spec is not None  # checked when the package was read
    assert rules is not None
    grid = grid_around(seen.grid, source.grid, spec, package.level)
    hu = resample_hu(source, grid).hu.astype(np.float32, copy=False)
    bones, begin, end = (
        interpolate_mask(mask, seen.grid, grid) for mask in (seen.bones, seen.begin, seen.end)
    )
    reader: Reader = partial(read_instance, networks, spec)
    i, j, k = spec.patch
    row = Row(hu, bones, begin, end, grid, reader, (i, j, k), rules)
    found = find_instances(row)
    networks.rest()
    return found, row


def grid_around(grid: Grid, source: Grid, spec: NetworkSpec, level: NetworkSpec | None) -> Grid:
    """Returns a grid at the spacing of `spec` that holds another, and what the network of levels reads around
    it as far as the scan shows it.
    """
    whole = isotropic_grid(source, spec.spacing_mm)
    box = covering_box(whole, grid, margin=0)
    assert box is not None  # bones were seen in the scan
    reach_mm = max(n * mm / 2 for n, mm in zip(level.patch, level.spacing_mm, strict=True)) if level else 0.0
    return whole.crop(box.grow_mm(reach_mm, whole.spacing_mm, whole.shape))


def read_instance(networks: Networks, spec: NetworkSpec, hu: Array, memory: Mask) -> Array:
    """Returns the probabilities (3, I, J, K) of background, whole and partial bone in one patch."""
    image = np.stack([normalise(hu, spec), memory.astype(np.float32)])
    return softmax(networks.get(spec)(image).copy())


def level_evidence(
    found: Instances, row: Row, package: CoarseToFinePackage, networks: Networks, source: Grid
) -> list[LevelEvidence]:
    """Returns the evidence on the level of each bone of a row; `source` is the grid of the scan."""
    spec, rules = package.level, package.levels
    assert spec is not None  # checked when the package was read
    assert rules is not None
    last = len(found.found) - 1
    evidence = []
    for number, each in enumerate(found.found):
        scores = networks.get(spec)(level_patch(each, row, spec))
        evidence.append(
            evidence_of(
                scores,
                rules,
                # A scan that cuts a bone may cut off its ribs
                ribs_in_view=not each.is_partial and is_shown_beside(each, row, source, rules.beside_mm),
                is_partial=each.is_partial,
                gap_below=number in found.gaps,
                is_first=found.reaches_begin and number == 0,
                is_last=found.reaches_end and number == last,
            )
        )
    networks.rest()
    return evidence


def is_shown_beside(found: Instance, row: Row, source: Grid, beside_mm: float) -> bool:
    """Returns whether a scan shows so much on both sides of a bone, at the height of its middle."""
    middle = (np.array(found.box.start) + found.box.stop - 1) / 2
    reach = beside_mm / row.grid.spacing_mm[0]
    sides = np.array([middle, middle])
    sides[:, 0] = found.box.start[0] - reach, found.box.stop[0] - 1 + reach
    ijk = source.to_ijk(row.grid.to_lps(sides))
    return bool(((ijk > -0.5) & (ijk < np.array(source.shape) - 0.5)).all())


def level_patch(found: Instance, row: Row, spec: NetworkSpec) -> Array:
    """Returns the image and the outline (2, I, J, K) of one bone, in the middle of a patch of the network."""
    steps = np.array(spec.spacing_mm) / row.grid.spacing_mm
    reach = np.ceil(np.array(spec.patch) * steps).astype(int) + 2
    middle = (np.array(found.box.start) + found.box.stop) / 2
    start = np.round(middle - reach / 2).astype(int)
    hu, _ = patch_of(row.hu, start, tuple(reach.tolist()), AIR_HU)
    own, _ = patch_of(found.mask, start - np.array(found.box.start), tuple(reach.tolist()), False)
    places = [(np.arange(n) - (n - 1) / 2) * step for n, step in zip(spec.patch, steps, strict=True)]
    at = np.meshgrid(*(p + m - s for p, m, s in zip(places, middle, start, strict=True)), indexing="ij")
    image = ndimage.map_coordinates(hu, at, order=1, mode="nearest")
    outline = ndimage.map_coordinates(own.astype(np.float32), at, order=1)
    return np.stack([normalise(image, spec), (outline >= 0.5).astype(np.float32)])


def evidence_of(scores: Array, rules: LevelRules, ribs_in_view: bool = True, **seen: bool) -> LevelEvidence:
    """Returns the evidence that the scores of background, levels, regions and ribs give."""
    count = len(rules.levels)
    levels, regions = log_softmax(scores[1 : 1 + count]), log_softmax(scores[1 + count : -1])
    ribs = float(scores[-1]) if ribs_in_view else None
    return LevelEvidence(tuple(levels.tolist()), tuple(regions.tolist()), ribs, **seen)
