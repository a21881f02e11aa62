"""Metal and cement in a bone: bright, in lines across it, with streaks beside; no fractures themselves."""

from __future__ import annotations

import numpy as np

from training.fracturing.bone import BrokenModel, Mask, box_of
from training.fracturing.lookalikes import ROOM
from training.fracturing.surfaces import across, direction, distance_along
from training.sampling import Array, smooth_noise

# Scanners clip titanium and steel at the top of 12 bits
METAL_HU = (2500.0, 3071.0)
SCREWED, CEMENTED = 0.04, 0.02


def with_foreign_bodies(rng: np.random.Generator, bone: BrokenModel, spacing_mm: float) -> BrokenModel:
    """Screws in a few bones, cement in fewer."""
    screws = int(rng.integers(1, 4)) if rng.random() < SCREWED else 0
    cement = rng.random() < CEMENTED
    there = bone.fragments > 0
    if not (screws or cement) or there.sum() < ROOM:
        return bone
    box, hu = box_of(there, 4), bone.hu.copy()
    for _ in range(screws):
        hu[box] = with_screw(rng, hu[box], there[box], spacing_mm)
    if cement:
        hu[box] = with_cement(rng, hu[box], there[box], spacing_mm)
    return BrokenModel(hu, bone.fragments)


def with_screw(rng: np.random.Generator, hu: Array, bone: Mask, spacing_mm: float) -> Array:
    """Returns a rod 3 to 8 mm thick, up to 9 cm long, which darkens and brightens in rays around it."""
    through = random_place(rng, bone) * spacing_mm
    axis = direction(rng)
    one = across(rng, axis)
    u = distance_along(one, through, hu.shape, spacing_mm)
    v = distance_along(np.cross(axis, one), through, hu.shape, spacing_mm)
    along = np.abs(distance_along(axis, through, hu.shape, spacing_mm))
    away, length = np.hypot(u, v), rng.uniform(12, 45)
    beside = np.clip((length - along) / spacing_mm, 0, 1) * np.exp(-away / rng.uniform(6, 15))
    rays = np.cos(int(rng.integers(2, 6)) * np.arctan2(v, u) + rng.uniform(0, 6))
    streaked = hu + rng.uniform(100, 500) * rays * beside
    metal = np.clip((rng.uniform(1.5, 4) - away) / spacing_mm + 0.5, 0, 1) * (along < length)
    return np.asarray(streaked + (rng.uniform(*METAL_HU) - streaked) * metal, np.float32)


def with_cement(rng: np.random.Generator, hu: Array, bone: Mask, spacing_mm: float) -> Array:
    """Returns a lump of cement, 1 to 3 cm wide, that runs out between the trabeculae."""
    grids = np.ogrid[tuple(slice(0, n) for n in hu.shape)]
    centre = random_place(rng, bone)
    away = np.sqrt(sum(((g - c) * spacing_mm) ** 2 for g, c in zip(grids, centre, strict=True)))
    inside = np.clip(0.5 + rng.uniform(5, 14) - away + 3 * smooth_noise(rng, hu.shape, 9), 0, 1) * bone
    return np.asarray(hu + (rng.uniform(1000, 2600) - hu) * inside, np.float32)


def random_place(rng: np.random.Generator, bone: Mask) -> np.ndarray:
    """Returns the index of one of a bone's voxels."""
    flat = np.flatnonzero(bone)
    return np.array(np.unravel_index(flat[rng.integers(len(flat))], bone.shape))
