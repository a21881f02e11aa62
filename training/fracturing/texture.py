"""Bone as a scanner sees it where no real texture is at hand: cortex, trabeculae, marrow."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from training.fracturing.bone import Mask
from training.sampling import Array, smooth_noise


def draw_texture(rng: np.random.Generator, bone: Mask, spacing_mm: float) -> Array:
    """Returns a cortex over trabeculae, for the voxels of `bone`.

    Ranges of HU as in young, old and osteoporotic bone (cortex 400 to 1600, trabeculae 50 to 400).
    """
    away = ndimage.distance_transform_edt(bone).astype(np.float32)
    depth_mm = (away - np.float32(0.5)) * np.float32(spacing_mm)
    marrow = rng.uniform(60, 380) + trabeculae(rng, depth_mm.shape) + under_surface(rng, depth_mm)
    thickness = rng.uniform(0.6, 3.0) * np.clip(1 + 0.3 * smooth_noise(rng, depth_mm.shape, 8), 0.3, 2)
    # A voxel holds cortex and marrow in part: without that, a thin cortex would show as a row of dots
    share = np.clip((thickness - depth_mm) / spacing_mm + 0.5, 0, 1)
    cortex = rng.uniform(450, 1600) * (1 + 0.1 * smooth_noise(rng, depth_mm.shape, 20))
    return np.asarray(marrow + (np.maximum(cortex, marrow) - marrow) * share, np.float32)


def trabeculae(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Bone grows in struts along the load and thins in patches: grain drawn out along one axis, and lumps."""
    grain = rng.standard_normal(shape, np.float32)
    along = int(rng.integers(3))
    for axis in range(3):
        grain = ndimage.gaussian_filter1d(grain, rng.uniform(1.0, 2.2) if axis == along else 0.55, axis)
    lumps = smooth_noise(rng, shape, 9) + 0.7 * smooth_noise(rng, shape, 20)
    scaled = grain * (rng.uniform(25, 110) / grain.std()) + lumps * rng.uniform(5, 90)
    return np.asarray(scaled, np.float32)


def under_surface(rng: np.random.Generator, depth_mm: Array) -> Array:
    """Denser bone fading inwards from the cortex, as under joints, in some places more than in others."""
    places = np.clip(smooth_noise(rng, depth_mm.shape, 5) + 0.3, 0, 2)
    return np.asarray(rng.uniform(0, 250) * places * np.exp(-depth_mm / rng.uniform(2, 5)), np.float32)


def with_patchy_density(rng: np.random.Generator, hu: Array, core: Mask) -> Array:
    """In half of the bones, regions without trabeculae: dark but whole; in some, dense ones."""
    if rng.random() < 0.5:
        return hu
    edge = ndimage.gaussian_filter(core.astype(np.float32), 1.0)
    # From soft to sharp borders: fatty marrow can end within a voxel or two
    sharp = rng.uniform(1.5, 6)
    places = smooth_noise(rng, hu.shape, int(rng.integers(4, 10))) - rng.uniform(0, 1.2)
    share = rng.uniform(0.4, 1.0) * np.clip(sharp * places, 0, 1) * edge
    if rng.random() < 0.2:
        return np.asarray(hu + share * rng.uniform(100, 500), np.float32)
    return np.asarray(hu + share * np.minimum(rng.uniform(-90, 120) - hu, 0), np.float32)
