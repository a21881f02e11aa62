"""Paints bones as CT shows them: cortex over trabecular bone, or a patient's own texture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.sampling import Array, smooth_noise, take
from training.simulate.body.sight import Sight
from training.subjects.shafts import shaft_share
from training.subjects.subjects import Subject

# Chance that a subject keeps its own texture
OWN_TEXTURE = 0.8
# A voxel of the network's grid averages over half to all of its width: resampling averages over half a step
# and interpolates between the means
WIDTHS = (0.5, 1.0)
FAT_MARROW_HU = -60.0


@dataclass(frozen=True)
class Skeleton:
    """Values that the bones of a person share: `density` 0 (osteoporosis) to 1 (young adult), the cortex.

    Under the cortex trabecular bone is denser by the share `rim` of the difference between them, which falls
    by e every `rim_mm`. `shaft` is how many times thicker the cortex is in the middle of long bones.
    """

    density: float
    cortex_hu: float
    cortex_mm: float
    shaft: float = 1.0
    rim: float = 0.0
    rim_mm: float = 1.0


def skeleton(rng: np.random.Generator) -> Skeleton:
    """Draws values from a child's thin, soft cortex or osteoporosis to a young adult's.

    The ranges are wide, and both ends are rare, as they are in patients.
    """
    density = float(rng.beta(2, 3))
    cortex_hu = 300 + 1000 * float(np.clip(density + rng.uniform(-0.3, 0.3), 0, 1))
    cortex_mm = float(rng.uniform(0.3, 0.6 + 1.0 * density))
    shaft, rim, rim_mm = (float(rng.uniform(*between)) for between in ((1.5, 4.5), (0.2, 1.0), (1.0, 6.0)))
    return Skeleton(density, cortex_hu, cortex_mm, shaft, rim, rim_mm)


def paint_bones(
    rng: np.random.Generator, subject: Subject, view: Sight, means: Array, soft: Array, frame: Skeleton
) -> Array:
    """Returns bone blended over soft tissue by the share of each voxel that is bone."""
    width_mm = np.float32(view.spacing_mm * rng.uniform(*WIDTHS))
    bone = share_inside(view.surface_mm, width_mm)
    if not bone.any():
        return soft
    shaft = None if subject.shafts is None else shaft_share(subject.shafts, view.bones, view.coordinates)
    inner = drawn_texture(rng, view, means, frame, width_mm, shaft)
    if subject.hu is not None and rng.random() < OWN_TEXTURE:
        inner = own_texture(rng, subject.hu, view, inner)
    return soft + bone * (inner - soft)


def share_inside(distance_mm: Array, width_mm: np.float32) -> Array:
    """Returns the share of a voxel that lies inside a surface at a signed distance from its centre."""
    return np.clip(distance_mm / width_mm + np.float32(0.5), 0, 1)


def own_texture(rng: np.random.Generator, own_hu: NDArray[np.int16], view: Sight, elsewhere: Array) -> Array:
    """Returns the patient's own texture where there is any, with changed contrast and brightness."""
    real = take(own_hu, view.coordinates, 1, 0)
    gain, offset = rng.uniform(0.7, 1.3), rng.uniform(-60, 60)
    return np.where(real == 0, elsewhere, real * np.float32(gain) + np.float32(offset))


def drawn_texture(
    rng: np.random.Generator,
    view: Sight,
    means: Array,
    frame: Skeleton,
    width_mm: np.float32,
    shaft: Array | None = None,
) -> Array:
    """Returns trabecular bone, denser towards a cortex of uneven thickness.

    The shafts of long bones have a thicker cortex and fat marrow.
    """
    shape = view.surface_mm.shape
    grain = rng.standard_normal(shape, dtype=np.float32)
    grain_mm = rng.uniform(0.5, 1.5)
    if grain_mm > 0.35 * view.spacing_mm:
        grain = ndimage.gaussian_filter(grain, grain_mm / view.spacing_mm, truncate=2.0)
    grain /= grain.std()
    lumps = smooth_noise(rng, shape, int(rng.integers(6, 20))) * np.float32(rng.uniform(0, 90))
    marrow = means[view.bones] + lumps + grain * np.float32(rng.uniform(10, 80))
    uneven = 1 + np.float32(0.3) * smooth_noise(rng, shape, 7)
    thickness = np.float32(frame.cortex_mm) * np.maximum(uneven, 0.2)
    if shaft is not None:
        thickness *= 1 + np.float32(frame.shaft - 1) * shaft
        marrow -= np.float32(rng.uniform(0, 1)) * shaft * (marrow - np.float32(FAT_MARROW_HU))
    cortex = np.float32(frame.cortex_hu) * (1 + np.float32(0.06) * grain)
    below_mm = view.surface_mm - thickness
    inside = share_inside(below_mm, width_mm)
    rim = np.float32(frame.rim) * np.exp(-np.maximum(below_mm, 0) / np.float32(frame.rim_mm))
    marrow += rim * uneven * np.maximum(cortex - marrow, 0)
    # The cortex is never less dense than the bone inside it
    return marrow + (1 - inside) * np.maximum(cortex - marrow, 0)
