"""Samples a subject at each voxel of a posed patch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.sampling import Array, Pose, nearest, smooth_noise, take, take_smooth
from training.subjects.subjects import Subject
from training.subjects.surfaces import STEP_MM

# Bones nearer to each other than this form a joint whose space may change: cartilage and capsule of the
# largest joints together are 3 to 6 mm wide
JOINT_MM = 6.0
# A real bone's own texture ends 4 mm outside it, and trimming removes the cortex of its joint surfaces
REAL_OPENING = 0.25


@dataclass(frozen=True, eq=False)
class Sight:
    """The subject as sampled at each voxel (I, J, K) of a patch.

    `structures` index the subject's tissues where there is no bone, `bones` hold the nearest bone (0: none
    near); `surface_mm` and `second_mm` are signed distances to the surfaces of the nearest and the second
    nearest bone, `skin_mm` to the skin, all positive inside. `coordinates` (3, I, J, K) are source indices.
    """

    structures: NDArray[np.uint8]
    bones: NDArray[np.uint8]
    surface_mm: Array
    second_mm: Array
    skin_mm: Array
    coordinates: Array
    spacing_mm: float


def sight(
    rng: np.random.Generator, subject: Subject, coordinates: Array, spacing_mm: float, pose: Pose
) -> Sight:
    """Samples the patch, and opens or closes the joints in it."""
    at = nearest(coordinates, subject.structures.shape)
    # Value of the int8 arrays where nothing is near
    far = -128
    first = take(subject.surfaces.first, coordinates, 1, far) * np.float32(STEP_MM)
    second = take_smooth(subject.surfaces.second, coordinates, far) * np.float32(STEP_MM)
    if subject.boneless:
        first[...] = second[...] = far * STEP_MM
    if pose.joint_mm:
        first += joint_change(rng, second, pose.joint_mm, subject.hu is not None)
    owner = at.take(subject.surfaces.owner)
    if pose.swell_mm and subject.hu is None:
        first += rng.uniform(-pose.swell_mm, pose.swell_mm, 256).astype(np.float32)[owner]
    skin = take_smooth(subject.skin, coordinates, -60, 4) + np.float32(rng.uniform(-10, 25))
    skin += 4 * smooth_noise(rng, skin.shape, 4)
    return Sight(at.take(subject.structures), owner, first, second, skin, coordinates, spacing_mm)


def joint_change(rng: np.random.Generator, second_mm: Array, most_mm: float, real: bool) -> Array:
    """Returns how far bone grows (positive) or recedes near another bone, in mm.

    Labels of neighbouring bones often touch although there is cartilage between them, so joints mostly open.
    """
    opening = rng.uniform(0, most_mm) * (REAL_OPENING if real else 1)
    closing = rng.uniform(0, most_mm)
    level = -opening if rng.random() < 0.7 else closing
    uneven = 0.3 * min(abs(level), 1.0) * smooth_noise(rng, second_mm.shape, 6)
    near = np.clip(1 + second_mm / np.float32(JOINT_MM), 0, 1)
    return near * (uneven + np.float32(level))


def classes_of(view: Sight, classes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Returns the class of each voxel: that of the nearest bone where at least half of the voxel is bone."""
    return classes[view.bones] * (view.surface_mm >= 0)
