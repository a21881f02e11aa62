"""A simulated CT of a patch of a subject: contrast, texture, scanner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.sampling import Array, Pose, patch_coordinates, smooth_noise, take
from training.subjects import DEPTH_STEP_MM, NOT_OURS, Subject

AIR_HU = -1000.0


@dataclass(frozen=True, eq=False)
class Sample:
    """`hu` (I, J, K) float32 and `target` (I, J, K) uint8 classes."""

    hu: Array
    target: NDArray[np.uint8]


def simulate(
    rng: np.random.Generator, subject: Subject, centre: NDArray[np.float64], shape: tuple[int, ...],
    spacing_mm: float, pose: Pose,
) -> Sample:
    """One patch of `subject` at `spacing_mm`, posed, painted and scanned at random."""
    at = patch_coordinates(rng, centre, shape, spacing_mm, subject.spacing_mm, pose)
    target = take(subject.targets, at, 0, 0).astype(np.uint8)
    if subject.negative and subject.hu is not None:
        hu = take(subject.hu, at, 1, AIR_HU).astype(np.float32)
        hu = np.where(hu > 0, hu * rng.uniform(0.7, 1.4), hu)
    else:
        hu = paint(rng, subject, at)
    return Sample(*cut_field_of_view(rng, scan(rng, hu, spacing_mm), target))


def paint(rng: np.random.Generator, subject: Subject, at: Array) -> Array:
    """Hounsfield units drawn for each structure, with cortex, marrow, fat, skin and air."""
    structures = take(subject.structures, at, 0, 0).astype(np.uint8)
    means = np.array([rng.uniform(t.low_hu, t.high_hu) for t in subject.tissues], np.float32)
    hu = means[structures]
    texture = smooth_noise(rng, structures.shape, 9)
    paint_connective_tissue(rng, subject, at, structures, texture, hu)
    paint_gas(rng, subject, structures, texture, hu)
    paint_bone(rng, subject, at, structures, hu)
    return hu


def paint_connective_tissue(
    rng: np.random.Generator, subject: Subject, at: Array,
    structures: NDArray[np.uint8], texture: Array, hu: Array,
) -> None:
    """Fat and muscle where no structure is labelled, skin around, air outside."""
    skin = take(subject.skin, at, 1, -60) + rng.uniform(-10, 25)
    rest = structures == 0
    fat, muscle = rng.uniform(-120, -70), rng.uniform(25, 80)
    under_skin = skin < rng.uniform(3, 30)
    mixed = np.where((texture > rng.uniform(-0.5, 1.5)) | under_skin, fat, muscle)
    hu[rest] = (mixed + 8 * texture)[rest]
    hu[rest & (skin < 3)] = rng.uniform(-30, 60)
    hu[(skin < 0) & rest] = AIR_HU


def paint_gas(
    rng: np.random.Generator, subject: Subject, structures: NDArray[np.uint8], texture: Array, hu: Array
) -> None:
    """Gas in parts of the bowel; in subjects without bowel, in pockets of the soft tissue."""
    holds = np.array([t.may_hold_gas for t in subject.tissues])
    within = holds[structures] if holds.any() else (structures == 0) & (hu > -200)
    hu[within & (texture > rng.uniform(0.8, 3.0))] = rng.uniform(-1000, -700)


def paint_bone(
    rng: np.random.Generator, subject: Subject, at: Array, structures: NDArray[np.uint8], hu: Array
) -> None:
    """A cortex over trabecular bone, or the patient's own texture with contrast changed."""
    bones = np.array([t.bone for t in subject.tissues])[structures]
    if subject.hu is not None and rng.random() < 0.8:
        real = take(subject.hu, at, 1, 0)
        own = bones & (np.abs(real) > 0)
        hu[own] = real[own] * rng.uniform(0.7, 1.3) + rng.uniform(-60, 60)
        return
    depth = take(subject.depth, at, 1, 0).astype(np.float32) * np.float32(DEPTH_STEP_MM)
    thickness = rng.uniform(0.6, 3.0) * (1 + 0.3 * smooth_noise(rng, structures.shape, 7))
    cortex = rng.uniform(550, 1400)
    grain = ndimage.gaussian_filter(rng.standard_normal(hu.shape).astype(np.float32), 0.8)
    hu[bones] += (grain * rng.uniform(30, 120))[bones]
    shell = bones & (depth < thickness + 1)
    hu[shell] = np.maximum(hu, cortex * (1 + 0.15 * grain))[shell]


def scan(rng: np.random.Generator, hu: Array, spacing_mm: float) -> Array:
    """What a scanner makes of it: blur of kernel and slice, correlated noise, clipping."""
    sigma = rng.uniform(0.1, 0.8, 3) / spacing_mm
    if rng.random() < 0.15:
        sigma[2] = rng.uniform(0.8, 2.2) / spacing_mm
    hu = ndimage.gaussian_filter(hu, sigma, truncate=3.0)
    noise = rng.standard_normal(hu.shape).astype(np.float32)
    correlation = rng.uniform(0, 0.9)
    if correlation > 0.3:
        noise = ndimage.gaussian_filter(noise, correlation, truncate=2.0)
        noise /= noise.std()
    hu = hu + noise * np.float32(rng.choice([5, 12, 25, 40]) * rng.uniform(0.6, 1.2))
    return np.clip(hu, -1024, 3071).astype(np.float32)


def cut_field_of_view(
    rng: np.random.Generator, hu: Array, target: NDArray[np.uint8]
) -> tuple[Array, NDArray[np.uint8]]:
    """Now and then nothing was reconstructed beyond a plane of the patch."""
    if rng.random() > 0.15:
        return hu, target
    axis, keep = int(rng.integers(3)), float(rng.uniform(0.5, 0.95))
    n = hu.shape[axis]
    gone = slice(int(n * keep), n) if rng.random() < 0.5 else slice(0, int(n * (1 - keep)))
    index = tuple(gone if a == axis else slice(None) for a in range(3))
    hu[index], target[index] = -1024, 0
    return hu, target


def draw_centre(
    rng: np.random.Generator, subject: Subject, spots: NDArray[np.int32], anywhere: float
) -> NDArray[np.float64]:
    """A source index: mostly at one of `spots` (N, 3) with a jitter, at times anywhere."""
    centre: NDArray[np.float64]
    if subject.negative or len(spots) == 0 or rng.random() < anywhere:
        centre = rng.uniform(0, 1, 3) * np.array(subject.targets.shape)
    else:
        jitter_mm = rng.normal(0, 25, 3)
        centre = spots[rng.integers(len(spots))] + jitter_mm / subject.spacing_mm
    return centre


def centre_spots(rng: np.random.Generator, subject: Subject, per_class: int = 400) -> NDArray[np.int32]:
    """Voxels of every class, as many of each, to centre patches on."""
    found = []
    for value in np.unique(subject.targets):
        if value in (0, NOT_OURS):
            continue
        voxels = np.argwhere(subject.targets == value)
        found.append(voxels[rng.integers(len(voxels), size=per_class)])
    return np.concatenate(found).astype(np.int32) if found else np.zeros((0, 3), np.int32)
