"""Simulates patches of one masked, fractured bone as the fracture network sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.fracturing import (
    BrokenModel,
    FractureRules,
    contact_target,
    draw_texture,
    fracture,
    with_foreign_bodies,
    with_lookalikes,
    with_neighbours,
    with_patchy_density,
)
from training.fracturing.bone import box_of, with_nearest
from training.sampling import Array, Pose, patch_coordinates, smooth_noise, take
from training.simulate.scanner import implanted, scan
from training.simulate.simulated_ct import Sample

OUTSIDE_HU = -1000.0
# Farthest distance from a bone at which an outline that errs by 3.6 mm leaves voxels unblanked
BAND_MM = 6.5
# Share of bones with implants: more than in patients, since a network fails on what it never saw
IMPLANTS = 0.04
BONE_POSE = Pose(rotation_deg=25, scale=0.15, bend_mm=6)


@dataclass(frozen=True, eq=False)
class BoneSubject:
    """One bone cropped out of a subject, axes along left, posterior, superior.

    `mask` (float32, 0..1) can be interpolated; `fragments` (uint8) are the true ones, all 1 in an intact
    bone; `hu` (int16) is real texture or None.
    """

    name: str
    fragments: NDArray[np.uint8]
    mask: Array
    hu: NDArray[np.int16] | None
    spacing_mm: NDArray[np.float64]

    @property
    def fractured(self) -> bool:
        """Returns whether the bone has true fragments."""
        return int(self.fragments.max()) > 1


def by_kind(bones: list[BoneSubject]) -> tuple[list[BoneSubject], ...]:
    """Splits bones into truly fractured ones, other real ones, and shapes of label maps."""
    return (
        [bone for bone in bones if bone.fractured],
        [bone for bone in bones if bone.hu is not None and not bone.fractured],
        [bone for bone in bones if bone.hu is None],
    )


def bone_patch(
    rng: np.random.Generator,
    subject: BoneSubject,
    shape: tuple[int, ...],
    spacing_mm: float,
    pose: Pose,
    rules: FractureRules,
) -> Sample:
    """Returns one patch, blanked outside the bone, with its target of interior and contact."""
    return scanned(rng, fractured_bone(rng, subject, shape, spacing_mm, pose, rules), spacing_mm)


def fractured_bone(
    rng: np.random.Generator,
    subject: BoneSubject,
    shape: tuple[int, ...],
    spacing_mm: float,
    pose: Pose,
    rules: FractureRules,
) -> BrokenModel:
    """Returns a patch of the subject in its pose, with its true fractures or simulated ones."""
    voxels = np.argwhere(subject.fragments[::3, ::3, ::3] > 0) * 3
    centre = voxels[rng.integers(len(voxels))].astype(np.float64) + rng.normal(0, 12, 3) / subject.spacing_mm
    at = patch_coordinates(rng, centre, shape, spacing_mm, subject.spacing_mm, pose)
    bone = posed_bone(rng, subject, at, spacing_mm)
    if not subject.fractured or rng.random() < 0.3:
        bone = fracture(rng, bone, spacing_mm, rules)
    return with_foreign_bodies(rng, with_neighbours(rng, bone, spacing_mm), spacing_mm)


def scanned(rng: np.random.Generator, bone: BrokenModel, spacing_mm: float) -> Sample:
    """Returns a bone with scanner effects, blanked outside, and its target."""
    target = contact_target(bone.fragments, spacing_mm)
    hu, _ = implanted(rng, bone.hu, spacing_mm, IMPLANTS)
    hu = scan(rng, hu, spacing_mm)
    return Sample(blank_outside(rng, hu, target > 0, spacing_mm), target)


def posed_bone(rng: np.random.Generator, subject: BoneSubject, at: Array, spacing_mm: float) -> BrokenModel:
    """Returns the bone in its pose, with real or drawn texture, in soft tissue."""
    inside = take(subject.mask, at, 1, 0) >= 0.5
    fragments = np.where(inside, 1, 0).astype(np.uint8)
    if subject.fractured:
        fragments = with_nearest(take(subject.fragments, at, 0, 0).astype(np.uint8) * inside, inside)
    hu = (rng.uniform(-100, 80) + 30 * smooth_noise(rng, inside.shape, 7)).astype(np.float32)
    if subject.hu is not None and rng.random() < 0.85:
        texture = take(subject.hu, at, 1, 0) * rng.uniform(0.7, 1.3) + rng.uniform(-60, 60)
        hu[inside] = texture[inside]
    else:
        box = box_of(inside)
        hu[box][inside[box]] = draw_texture(rng, inside[box], spacing_mm)[inside[box]]
    hu = with_patchy_density(rng, hu, ndimage.binary_erosion(inside, iterations=2))
    return BrokenModel(with_lookalikes(rng, hu, inside, spacing_mm), fragments)


def blank_outside(rng: np.random.Generator, hu: Array, bone: NDArray[np.bool_], spacing_mm: float) -> Array:
    """Blanks everything farther than about 2 mm from a bone outline that errs by up to 1.5 mm."""
    if not bone.any():
        return np.full(hu.shape, OUTSIDE_HU, np.float32)
    box = box_of(bone, int(np.ceil(BAND_MM / spacing_mm)))
    blank = np.full(hu.shape, OUTSIDE_HU, np.float32)
    blank[box] = banded(rng, hu[box], bone[box], spacing_mm)
    return blank


def banded(rng: np.random.Generator, hu: Array, bone: NDArray[np.bool_], spacing_mm: float) -> Array:
    """Keeps a band around the bone, with parts of other bones; half of the outlines err outwards only."""
    distance = ndimage.distance_transform_edt(~bone).astype(np.float32) * np.float32(spacing_mm)
    if rng.random() < 0.5:
        distance -= ndimage.distance_transform_edt(bone).astype(np.float32) * np.float32(spacing_mm)
    error = rng.uniform(0, 1.2) * smooth_noise(rng, hu.shape, 8)
    stray = (distance > 1.0) & (smooth_noise(rng, hu.shape, 14) > rng.uniform(1.2, 4))
    hu = np.where(stray, rng.uniform(150, 900), hu)
    outside = (distance != 0) & (distance + error > rng.uniform(1.0, 2.8))
    return np.where(outside, OUTSIDE_HU, hu).astype(np.float32)
