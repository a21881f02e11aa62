"""Decides which label each bone of a class gets where bones come in pairs: the left, the right or neither."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.bones.handedness import SURE_AGAINST_TRUNK, Handedness, handedness
from operators.bones.reference_shapes import read_shape
from operators.bones.sides import MidlinePlane
from operators.geometry.meshes import mesh_of
from operators.geometry.spheres import find_sphere
from operators.geometry.surface_points import surface_points
from operators.geometry.volume import Box, Grid
from operators.packages.long_bones import LongBoneRules
from operators.packages.packages import Label
from operators.packages.structures import Side

Mask = NDArray[np.bool_]
Owners = NDArray[np.uint8]

# Pieces closer than this belong to one bone, and so does a piece much smaller than the largest
APART_MM, SMALL_SHARE = 8.0, 0.2
# The share of a bone that lies nearest to the trunk: there a limb's bone lies on its own side
NEAREST_SHARE = 0.2
# The least distance of that part from the midline. Measured in label maps of four adults: 76 to 90 mm at the
# hip, 140 to 165 mm at the shoulder; children have half of it
BESIDE_MM = 30.0


def owners_of(
    mask: Mask, grid: Grid, labels: Sequence[Label], plane: MidlinePlane | None
) -> tuple[Owners, tuple[str, ...]]:
    """Returns for each voxel (I, J, K) of a class which of its labels it belongs to: 1, 2, ...; 0 is none;
    and a sentence about each bone that got no label.

    Every bone goes to the label of its side as a whole; bones whose side is not known, or that would be the
    second of one side, go to the labels without a side, the largest first.
    """
    numbers: dict[Side | None, list[int]] = {"left": [], "right": [], None: []}
    for number, label in enumerate(labels, start=1):
        numbers[label.structure.side].append(number)
    owners, left_out = np.zeros(mask.shape, np.uint8), []
    least_ml = min(label.found_by.minimum_ml for label in labels)
    for bone in bones_of(mask, grid):
        side = side_of_bone(bone, grid, labels[0].structure.long_bone, plane)
        free = numbers[side] or numbers[None]
        if free:
            owners[bone] = free.pop(0)
        elif (volume_ml := bone.sum() * grid.voxel_volume_mm3 / 1000) >= least_ml:
            name = f"{labels[0].structure.type.meaning}{f', {side}' if side else ' (side unknown)'}"
            lacking = "for which the package has no label left, was left out."
            left_out.append(f"{name}: a bone of {volume_ml:.0f} ml, {lacking}")
    return owners, tuple(left_out)


def bones_of(mask: Mask, grid: Grid) -> list[Mask]:
    """Returns the bones of a class, the largest first: pieces that lie close, and small ones near them."""
    reach = np.ceil(APART_MM / 2 / np.array(grid.spacing_mm)).astype(int)
    groups, count = ndimage.label(ndimage.maximum_filter(mask, size=tuple(2 * reach + 1)))
    groups[~mask] = 0
    sizes = np.bincount(groups.ravel(), minlength=count + 1)[1:]
    large = 1 + np.flatnonzero(sizes >= SMALL_SHARE * max(sizes, default=0))
    if len(large) < count:
        near = ndimage.distance_transform_edt(
            ~np.isin(groups, large), grid.spacing_mm, return_distances=False, return_indices=True
        )
        groups = np.where(mask, groups[tuple(near)], 0)
    order = sorted(large.tolist(), key=lambda number: -sizes[number - 1])
    return [groups == number for number in order]


def side_of_bone(
    bone: Mask, grid: Grid, rules: LongBoneRules | None, plane: MidlinePlane | None
) -> Side | None:
    """Returns the side of one bone: by the trunk if it is in view, else by the bone's own shape.

    None where neither tells, or where the shape contradicts the trunk beyond doubt, as in mirrored images.
    """
    by_trunk = None if plane is None else side_by_trunk(bone, grid, plane)
    shape = handedness_of(bone, grid, rules)
    if shape is None or by_trunk is None:
        return shape.side() if shape else by_trunk
    return by_trunk if shape.side(SURE_AGAINST_TRUNK) in (None, by_trunk) else None


def side_by_trunk(bone: Mask, grid: Grid, plane: MidlinePlane) -> Side | None:
    """Returns the side of the midline on which the part of a bone lies that is nearest to the trunk.

    None if no trunk is in view, or where the part lies near the midline, or on the other side of the trunk
    itself: then the plane is not that of the body, or the patient lies otherwise than the header says.
    """
    if plane.trunk_lps is None:
        return None
    points = grid.to_lps(np.argwhere(bone))
    away_mm = np.linalg.norm(points - plane.trunk_lps, axis=1)
    near = points[away_mm <= np.quantile(away_mm, NEAREST_SHARE)]
    left_mm = np.median(plane.height_mm(near)), np.median(near[:, 0]) - plane.trunk_lps[0]
    if min(left_mm) >= BESIDE_MM:
        return "left"
    return "right" if max(left_mm) <= -BESIDE_MM else None


def handedness_of(bone: Mask, grid: Grid, rules: LongBoneRules | None) -> Handedness | None:
    """Compares a bone with the mean ones of both sides; None without a mean shape."""
    box = Box.around(bone)
    if rules is None or rules.shape is None or box is None:
        return None
    surface = surface_points(mesh_of(bone[box.slices], grid.crop(box)))
    head = find_sphere(surface, rules.head_radius_mm)
    seen = head if head is not None and head.cover >= rules.head_cover else None
    return handedness(surface, seen, read_shape(rules.shape))


def owners_by_class(
    probabilities: NDArray[np.float32],
    grid: Grid,
    classes: Sequence[str],
    labels: Sequence[Label],
    plane: MidlinePlane | None,
) -> tuple[Mapping[str, Mask], tuple[str, ...]]:
    """Returns the voxels of each of the labels whose class is shared bone by bone, by its name; and a
    sentence about each bone that got no label.

    `probabilities` has the channels of write_channels: background, `classes`, all others.
    """
    winner = probabilities.argmax(axis=0) if labels else np.zeros(0)
    found: dict[str, Mask] = {}
    left_out: tuple[str, ...] = ()
    for name in dict.fromkeys(label.found_by.fine_class for label in labels):
        own = [label for label in labels if label.found_by.fine_class == name]
        owners, said = owners_of(winner == 1 + classes.index(name), grid, own, plane)
        found |= {label.name: owners == number for number, label in enumerate(own, start=1)}
        left_out += said
    return found, left_out
