"""Turns class probabilities into bones: which voxels belong to which bone, and to which side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.bones.bone_sides import owners_by_class
from operators.bones.find import PIECE_DISTANCE_MM, Look
from operators.bones.instances import INSTANCES, RowOwners, Sides
from operators.bones.sides import MidlinePlane, midline_plane, plane_of_pairs
from operators.geometry.components import components_of
from operators.geometry.distance import distance_mm
from operators.geometry.volume import Box, Grid
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.packages.levels import LevelEvidence
from operators.packages.packages import Label, NetworkSpec

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]
# Margin around a bone: keeps fragments whole, and lets the bone's probability fall off within it
AROUND_MM = 8.0
# In real CTs, sacra and spines have 50 ml or more and a mean probability of 0.87 to 0.95; what was taken for
# them in knees and beside raised arms has 0.73 at most
TRUNK_ML, TRUNK_MEAN = 20.0, 0.8


@dataclass(frozen=True, eq=False)
class BoneRegion:
    """One bone. `margin` (I, J, K) float32 on `grid` is its probability minus the highest of any other class.

    The margin is positive inside. Margins of two bones never add up to more than 0 at one place, so that
    bones interpolated separately do not overlap. `others` (I, J, K) marks the voxels of other classes' bones;
    `rivals` the voxels where another bone is likelier than this one, bone or not. `network_mean` is
    the mean of its probability inside. `evidence` is on the level of a bone of a row.
    """

    label: Label
    margin: Array
    others: NDArray[np.bool_]
    rivals: NDArray[np.bool_]
    grid: Grid
    network_mean: float
    evidence: LevelEvidence | None = None


@dataclass(frozen=True, eq=False)
class BoneRegions:
    """A package's bones, and a sentence about each bone that was left out."""

    bones: tuple[BoneRegion, ...]
    left_out: tuple[str, ...] = ()


def sides_plane(look: Look, box: Box, package: CoarseToFinePackage) -> MidlinePlane | None:
    """Returns the plane between left and right, from the network's sides, or by geometry if its classes have
    no side.

    It parts the bones in a `box` of the coarse network's look; the trunk may lie outside.
    """
    classes: dict[str | None, set[str]] = {"left": set(), "right": set(), None: set()}
    for label in package.labels:
        classes[label.structure.side].add(label.found_by.coarse_class)
    unpaired = classes[None] - classes["left"] - classes["right"] | set(package.sides.middle)
    spec, numbers = look.spec, [look.spec.classes.index(name) for name in unpaired]
    sure = trunk_voxels(look.winner, look.probabilities, look.grid.voxel_volume_mm3, numbers)
    trunk = look.grid.to_lps(np.argwhere(sure))
    winner, grid = look.winner[box.slices], look.grid.crop(box)
    # What else is taken for bones of the midline is often a joint of a limb, far from it
    sources = (grid.to_lps(np.argwhere(sure[box.slices])), trunk, cloud(winner, grid, spec, unpaired))
    middle = next((points for points in sources if len(points)), trunk)
    if classes["left"] & classes["right"]:
        paired = cloud(winner, grid, spec, classes["left"] | classes["right"])
        lateral = cloud(winner, grid, spec, set(package.sides.lateral))
        plane = plane_of_pairs(paired, middle, lateral, package.sides.widest_mm)
    else:
        left, right = (cloud(winner, grid, spec, classes[side]) for side in ("left", "right"))
        plane = midline_plane(left, right, middle)
    return replace(plane, trunk_lps=np.median(trunk, axis=0)) if plane and len(trunk) else plane


def cloud(winner: NDArray[np.uint8], grid: Grid, spec: NetworkSpec, names: set[str]) -> NDArray[np.float64]:
    """Returns the centres (N, 3), LPS mm, of all voxels assigned to the classes `names`."""
    return grid.to_lps(np.argwhere(np.isin(winner, [spec.classes.index(name) for name in names])))


def kept_classes(package: CoarseToFinePackage) -> tuple[str, ...]:
    """Returns the fine network's classes that labels and ball joints are made of, and those around a row."""
    delivered = (label.found_by.fine_class for label in package.labels)
    joints = (name for joint in package.ball_joints for name in (joint.head, joint.socket))
    around = package.iterative.others if package.iterative else ()
    return tuple(dict.fromkeys((*delivered, *joints, *around)))


def write_channels(probabilities: Array, package: CoarseToFinePackage, into: Array) -> None:
    """Writes what the package's bones depend on, of the fine network's probabilities (classes, I, J, K).

    The channels of `into` are the background, the kept classes, and the highest probability of all
    others: as many as the package needs, however many classes the network has.
    """
    own = [package.fine.classes.index(name) for name in kept_classes(package)]
    for number, channel in zip((0, *own), into[:-1], strict=True):
        channel[...] = probabilities[number]
    into[-1] = best_of(probabilities, set(range(1, len(probabilities))) - set(own))


def of_neighbours(channels: Array, package: CoarseToFinePackage) -> Array:
    """Returns the probability (I, J, K) of the bones that touch those of a row."""
    classes, rules = kept_classes(package), package.iterative
    assert rules is not None  # checked when the package was read
    return np.sum([channels[1 + classes.index(name)] for name in rules.neighbours], axis=0, initial=0)


def take_class(channels: Array, number: int, probability: Array) -> None:
    """Writes the probability (I, J, K) of a class into channels, in place; the others share what is left."""
    left = (1 - probability) / np.maximum(1 - channels[number], np.float32(1e-6))
    channels[1:] *= np.minimum(left, 1)
    channels[number] = probability
    channels[0] = 1 - channels[1:].sum(axis=0)


def bone_regions(
    probabilities: Array,
    grid: Grid,
    package: CoarseToFinePackage,
    plane: MidlinePlane | None,
    in_row: RowOwners | None = None,
) -> BoneRegions:
    """Returns the package's bones in the channels (see write_channels) of the fine network on `grid`.

    `in_row` are the bones that were outlined one after another.
    """
    left = None if plane is None else plane.left_of(grid.ijk_to_lps, grid.shape)
    by_bone = [label for label in package.labels if label.found_by.is_one_by_one]
    masks, without_label = owners_by_class(probabilities, grid, kept_classes(package), by_bone, plane)
    sides = Sides(left, masks, in_row)
    found = (bone_region(probabilities, grid, package, label, sides) for label in package.labels)
    left_out = (*without_label, *(sideless_classes(probabilities, grid, package) if left is None else ()))
    return BoneRegions(tuple(region for region in found if region is not None), left_out)


def sideless_classes(probabilities: Array, grid: Grid, package: CoarseToFinePackage) -> Iterator[str]:
    """Yields a sentence about each class that was found but whose sides no plane separates."""
    labels = {label.found_by.fine_class: label for label in package.labels if label.found_by.is_by_side}
    winner = probabilities.argmax(axis=0) if labels else np.zeros(0)
    for name, label in labels.items():
        count = np.count_nonzero(winner == 1 + kept_classes(package).index(name))
        if (volume_ml := count * grid.voxel_volume_mm3 / 1000) >= label.found_by.minimum_ml:
            yield (
                f"{label.structure.type.meaning}: {volume_ml:.0f} ml were left out, as no other bone in view "
                "tells their side."
            )


def bone_region(
    probabilities: Array, grid: Grid, package: CoarseToFinePackage, label: Label, sides: Sides
) -> BoneRegion | None:
    """Returns one bone, or None if its volume is below the package's minimum or its side is unknown."""
    own = 1 + kept_classes(package).index(label.found_by.fine_class)
    elsewhere = INSTANCES[label.found_by.instances](label, sides)
    if elsewhere is True:
        return None
    # A class that beats all others has at least an even share
    likely = probabilities[own] * len(package.fine.classes) >= 1
    if elsewhere is not None:
        likely &= ~np.asarray(elsewhere)
    around = Box.around(likely)
    if around is None:
        return None
    around = around.grow_mm(AROUND_MM, grid.spacing_mm, likely.shape)
    near, beyond = probabilities[(slice(None), *around.slices)], None
    if elsewhere is not None:
        beyond = np.broadcast_to(elsewhere, likely.shape)[around.slices]
    return region_of_class(near, grid.crop(around), own, label, beyond)


def region_of_class(
    near: Array, grid: Grid, own: int, label: Label, beyond: NDArray[np.bool_] | None
) -> BoneRegion | None:
    """Returns the bone of the class `own` in a block of channels, but for `beyond`; None if too small."""
    others = best_of(near, set(range(1, len(near))) - {own})
    margin = near[own] - np.maximum(others, near[0])
    rivals = others >= near[own]
    if beyond is not None:
        margin, rivals = np.where(beyond, np.float32(-1), margin), rivals | beyond
    kept = without_strays(margin > 0, grid)
    box = Box.around(kept)
    if box is None or kept.sum() * grid.voxel_volume_mm3 < label.found_by.minimum_ml * 1000:
        return None
    box = box.grow_mm(AROUND_MM, grid.spacing_mm, kept.shape)
    margin = np.where(kept | (margin <= 0), margin, -margin)
    network_mean = float(near[own][kept].mean())
    others = others > np.maximum(near[0], near[own])
    own_box = np.ascontiguousarray(margin[box.slices])
    return BoneRegion(
        label, own_box, others[box.slices].copy(), rivals[box.slices].copy(), grid.crop(box), network_mean
    )


def best_of(probabilities: Array, numbers: Iterable[int]) -> Array:
    """Returns the highest probability (I, J, K) among some classes."""
    best = np.zeros(probabilities.shape[1:], np.float32)
    for number in numbers:
        np.maximum(best, probabilities[number], out=best)
    return best


def without_strays(mask: NDArray[np.bool_], grid: Grid) -> NDArray[np.bool_]:
    """Removes pieces under 0.1 ml, and small pieces more than 25 mm from the largest.

    Displaced fragments stay: they lie near, or they are large (at least a tenth of the largest piece).
    """
    pieces, sizes = components_of(mask)
    if len(sizes) <= 2:
        return mask
    main = int(np.argmax(sizes))
    candidates = [p for p in range(1, len(sizes)) if sizes[p] * grid.voxel_volume_mm3 >= 100]
    large = {p for p in candidates if sizes[p] >= 0.1 * sizes[main]}
    distance = distance_mm(pieces != main, grid.spacing_mm)
    near = ndimage.minimum(distance, pieces, candidates) if candidates else []
    close = {p for p, d in zip(candidates, near, strict=True) if d <= PIECE_DISTANCE_MM}
    kept: NDArray[np.bool_] = np.isin(pieces, sorted(large | close | {main}))
    return kept


def trunk_voxels(
    winner: NDArray[np.integer[Any]], probabilities: Array, voxel_volume_mm3: float, middle: list[int]
) -> Mask:
    """Returns the voxels (I, J, K) of bones of the midline that are there without doubt.

    `winner` (I, J, K) is the likeliest class of `probabilities` (classes, I, J, K); `middle` are the numbers
    of the unpaired bones.
    """
    pieces, sizes = components_of(np.isin(winner, middle))
    numbers, ml = np.arange(1, len(sizes)), sizes[1:] * voxel_volume_mm3 / 1000
    mean = ndimage.mean(probabilities[middle].max(axis=0), pieces, numbers) if len(numbers) else ml
    sure: Mask = np.isin(pieces, numbers[(ml >= TRUNK_ML) & (np.asarray(mean) >= TRUNK_MEAN)])
    return sure
