"""Patches of one masked bone, fractured, as the fracture network will see them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.fractures import BLOOD_HU, Bone, FractureRules, contact_target, fracture, rough_surface
from training.sampling import Array, Pose, patch_coordinates, smooth_noise, take
from training.simulated_ct import Sample, scan
from training.subjects import DEPTH_STEP_MM

OUTSIDE_HU = -1000.0


@dataclass(frozen=True, eq=False)
class BoneSubject:
    """One bone cropped out of a subject, axes left, posterior, superior.

    `mask` (float32, 0..1) can be interpolated; `fragments` (uint8) are the true ones, all 1 where
    it is intact; `hu` (int16) is real texture or None; `depth` (uint8, 0.1 mm) else.
    """

    name: str
    fragments: NDArray[np.uint8]
    mask: Array
    depth: NDArray[np.uint8]
    hu: NDArray[np.int16] | None
    spacing_mm: NDArray[np.float64]

    @property
    def fractured(self) -> bool:
        """Whether it holds true fragments."""
        return len(np.unique(self.fragments)) > 2


def bone_patch(
    rng: np.random.Generator, subject: BoneSubject, shape: tuple[int, ...], spacing_mm: float,
    pose: Pose, rules: FractureRules,
) -> Sample:
    """One patch with its interior / contact target, everything but the bone blanked out."""
    return scanned(rng, fractured_bone(rng, subject, shape, spacing_mm, pose, rules), spacing_mm)


def fractured_bone(
    rng: np.random.Generator, subject: BoneSubject, shape: tuple[int, ...], spacing_mm: float,
    pose: Pose, rules: FractureRules,
) -> Bone:
    """A patch of the subject in its pose, with its true fractures or new ones."""
    voxels = np.argwhere(subject.fragments[::3, ::3, ::3] > 0) * 3
    centre = voxels[rng.integers(len(voxels))].astype(np.float64) + rng.normal(0, 12, 3) / subject.spacing_mm
    at = patch_coordinates(rng, centre, shape, spacing_mm, subject.spacing_mm, pose)
    bone = posed_bone(rng, subject, at, spacing_mm)
    if not subject.fractured or rng.random() < 0.3:
        bone = fracture(rng, bone, spacing_mm, rules)
    return bone


def scanned(rng: np.random.Generator, bone: Bone, spacing_mm: float) -> Sample:
    """What the network is to see of a bone, and what it is to say."""
    target = contact_target(bone.fragments, spacing_mm)
    hu = scan(rng, bone.hu, spacing_mm)
    return Sample(blank_outside(rng, hu, target > 0, spacing_mm), target)


def posed_bone(rng: np.random.Generator, subject: BoneSubject, at: Array, spacing_mm: float) -> Bone:
    """The bone in its pose, with real or drawn texture, in soft tissue."""
    inside = take(subject.mask, at, 1, 0) >= 0.5
    fragments = take(subject.fragments, at, 0, 0).astype(np.uint8)
    fragments[~inside] = 0
    fragments[inside & (fragments == 0)] = nearest_label(fragments, inside)
    hu = (rng.uniform(-100, 80) + 30 * smooth_noise(rng, inside.shape, 7)).astype(np.float32)
    if subject.hu is not None and rng.random() < 0.85:
        texture = take(subject.hu, at, 1, 0) * rng.uniform(0.7, 1.3) + rng.uniform(-60, 60)
        hu[inside] = texture[inside]
    else:
        hu[inside] = drawn_texture(rng, subject, at)[inside]
    core = ndimage.binary_erosion(inside, iterations=2)
    hu = with_fatty_marrow(rng, hu, core)
    return Bone(with_inner_lines(rng, hu, core, spacing_mm), fragments)


def with_fatty_marrow(rng: np.random.Generator, hu: Array, core: NDArray[np.bool_]) -> Array:
    """In half of the bones, regions without trabeculae: dark, but no fracture (the sacral ala in old age)."""
    if rng.random() < 0.5:
        return hu
    thinned = np.clip(2 * (smooth_noise(rng, hu.shape, int(rng.integers(4, 10))) - rng.uniform(0, 1.2)), 0, 1)
    share = rng.uniform(0.4, 1.0) * thinned * ndimage.gaussian_filter(core.astype(np.float32), 1.0)
    fatty: Array = hu + share * np.minimum(rng.uniform(-70, 120) - hu, 0)
    return fatty


def with_inner_lines(
    rng: np.random.Generator, hu: Array, core: NDArray[np.bool_], spacing_mm: float
) -> Array:
    """In some bones, dark lines that end before the cortex and part nothing: remnants of discs, vessels."""
    if rng.random() < 0.6 or not core.any():
        return hu
    for _ in range(int(rng.integers(1, 4))):
        height = rough_surface(rng, core, spacing_mm)
        within = core & (smooth_noise(rng, hu.shape, 4) > rng.uniform(-0.5, 0.8))
        line = np.clip(1 - np.abs(height) / rng.uniform(0.8, 2.5), 0, 1) * within
        hu = hu + rng.uniform(0.4, 1.0) * line * np.minimum(rng.uniform(*BLOOD_HU) - hu, 0)
    return hu


def nearest_label(fragments: NDArray[np.uint8], inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """For bone voxels that lost their label to interpolation: the label nearest to them."""
    lost = inside & (fragments == 0)
    if not lost.any() or not fragments.any():
        return np.ones(int(lost.sum()), np.uint8)
    nearest = ndimage.distance_transform_edt(fragments == 0, return_distances=False, return_indices=True)
    result: NDArray[np.uint8] = fragments[tuple(nearest)][lost]
    return result


def drawn_texture(rng: np.random.Generator, subject: BoneSubject, at: Array) -> Array:
    """Cortex over trabecular bone with grain and lumps: bone grows in patches, and thins in patches."""
    depth = take(subject.depth, at, 1, 0).astype(np.float32) * np.float32(DEPTH_STEP_MM)
    grain = ndimage.gaussian_filter(rng.standard_normal(depth.shape).astype(np.float32), 0.7)
    noise = rng.standard_normal(depth.shape).astype(np.float32)
    lumps = ndimage.gaussian_filter(noise, rng.uniform(1.5, 3.5))
    lumps *= rng.uniform(0, 150) / lumps.std()
    marrow = rng.uniform(120, 400) + grain * rng.uniform(30, 150) + lumps
    thickness = rng.uniform(0.8, 3.0) * (1 + 0.3 * smooth_noise(rng, depth.shape, 8))
    cortex = rng.uniform(400, 1500) * (1 + 0.15 * grain)
    return np.where(depth < thickness + 0.5, cortex, marrow).astype(np.float32)


def blank_outside(
    rng: np.random.Generator, hu: Array, bone: NDArray[np.bool_], spacing_mm: float
) -> Array:
    """Everything further than about 2 mm from a bone outline that errs by up to 1.5 mm is blank."""
    distance = ndimage.distance_transform_edt(~bone) * np.float32(spacing_mm)
    if rng.random() < 0.5:
        distance -= ndimage.distance_transform_edt(bone) * np.float32(spacing_mm)
    error = rng.uniform(0, 1.2) * smooth_noise(rng, hu.shape, 8)
    stray = (distance > 1.0) & (smooth_noise(rng, hu.shape, 14) > rng.uniform(1.2, 4))
    hu = np.where(stray, rng.uniform(150, 900), hu)
    outside = distance + error > rng.uniform(1.0, 2.8)
    return np.where(outside, OUTSIDE_HU, hu).astype(np.float32)
