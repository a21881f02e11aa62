"""Changes of the bones of a row in place: burst and fused bones, spurs."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from training.fracturing.bone import box_of
from training.sampling import smooth_noise
from training.subjects.rows.bones import BonesInRow


def burst(rng: np.random.Generator, bones: BonesInRow, number: int) -> None:
    """Widens the body of a bone and opens gaps in it, in place."""
    if number >= len(bones.values):
        return
    value, spacing_mm = bones.values[number], bones.spacing_mm
    mask = bones.structures == value
    place = bones.course.lps(np.array([[0], [0], [bones.course.levels_mm[number]]], np.float32))
    centre = place[:, 0].astype(np.float64) / spacing_mm
    away = np.indices(mask.shape) - centre[:, None, None, None]
    near = (np.linalg.norm(away, axis=0) * spacing_mm) < 24
    grown = ndimage.binary_dilation(mask, iterations=max(1, round(rng.uniform(1.5, 3.5) / spacing_mm))) & near
    bones.structures[grown & (bones.structures == 0)] = value
    for _ in range(int(rng.integers(1, 4))):
        normal = rng.standard_normal(3) * [1.0, 1.0, 0.5]
        height = np.tensordot(normal / np.linalg.norm(normal), away, 1) * spacing_mm
        height = height + 2 * smooth_noise(rng, mask.shape, 8) + rng.uniform(-6, 6)
        gap = (np.abs(height) < rng.uniform(0.8, 1.8)) & near
        bones.structures[gap & (bones.structures == value)] = 0


def fuse(bones: BonesInRow, number: int) -> None:
    """Fills the space between the bodies of a bone and the next with bone, in place."""
    if number + 1 >= len(bones.values):
        return
    both = np.isin(bones.structures, bones.values[number : number + 2])
    closed = ndimage.binary_closing(both, iterations=max(1, round(5 / bones.spacing_mm)))
    one, other = (bones.structures == value for value in bones.values[number : number + 2])
    new = closed & (bones.structures == 0)
    nearer = ndimage.distance_transform_edt(~one) <= ndimage.distance_transform_edt(~other)
    bones.structures[new & nearer] = bones.values[number]
    bones.structures[new & ~nearer] = bones.values[number + 1]


def grow_spurs(rng: np.random.Generator, bones: BonesInRow) -> None:
    """Grows spurs on some of the bones, in place, where there is soft tissue."""
    rough = smooth_noise(rng, bones.structures.shape, max(bones.structures.shape) // 6)
    for value in bones.values:
        if rng.random() < 0.5:
            box = box_of(bones.structures == value, 4)
            part = bones.structures[box]
            steps = max(1, round(rng.uniform(1.5, 4) / bones.spacing_mm))
            grown = ndimage.binary_dilation(part == value, iterations=steps)
            part[grown & (part == 0) & (rough[box] > rng.uniform(1.0, 2.0))] = value
