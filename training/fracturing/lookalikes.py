"""Mimics of a fracture inside a bone: their target stays interior."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from training.fracturing.bone import Mask, box_of
from training.fracturing.lines import fissure
from training.fracturing.patterns import draw_plane
from training.fracturing.rules import BLOOD_HU
from training.fracturing.shape import Shape, shape_of
from training.fracturing.surfaces import (
    Plane,
    Roughness,
    across,
    direction,
    distance_along,
    draw_roughness,
    height_mm,
)
from training.sampling import Array, smooth_noise

# Fewer voxels of a bone in the patch have no room for anything
ROOM = 500


def growth_plate(rng: np.random.Generator, hu: Array, bone: Mask, shape: Shape, spacing_mm: float) -> Array:
    """Cartilage through the whole width: a smooth, wavy, dark plate between two dense borders."""
    return plate(rng, hu, bone, shape, spacing_mm, Roughness(rng.uniform(1, 4), 0.4), (1.5, 4.0))


def suture(rng: np.random.Generator, hu: Array, bone: Mask, shape: Shape, spacing_mm: float) -> Array:
    """Returns a thin, winding seam between dense borders."""
    return plate(rng, hu, bone, shape, spacing_mm, Roughness(rng.uniform(1.5, 3.0), 0.8), (0.8, 1.6))


def plate(
    rng: np.random.Generator,
    hu: Array,
    bone: Mask,
    shape: Shape,
    spacing_mm: float,
    rough: Roughness,
    thickness_mm: tuple[float, float],
) -> Array:
    """Cartilage between dense borders along a surface."""
    away = np.abs(height_mm(rng, draw_plane(rng, shape), hu.shape, spacing_mm, rough))
    half = np.float32(rng.uniform(*thickness_mm) / 2)
    dark = np.clip((half - away) / spacing_mm + 0.5, 0, 1) * min(1.0, 2 * half / spacing_mm)
    border = np.exp(-(((away - half - np.float32(0.8)) / np.float32(rng.uniform(0.7, 1.4))) ** 2))
    bordered = hu + rng.uniform(150, 450) * border
    made = bordered + (rng.uniform(30, 130) - bordered) * dark
    return np.where(bone, made, hu).astype(np.float32)


def scar(rng: np.random.Generator, hu: Array, bone: Mask, shape: Shape, spacing_mm: float) -> Array:
    """Adds the scar of a closed growth plate: one thin, smooth, dense line."""
    away = height_mm(rng, draw_plane(rng, shape), hu.shape, spacing_mm, Roughness(rng.uniform(0.5, 2), 0.25))
    line = np.exp(-((away / np.float32(rng.uniform(0.6, 1.1))) ** 2))
    return np.asarray(hu + np.where(bone, rng.uniform(100, 350) * line, 0), np.float32)


def canal(rng: np.random.Generator, hu: Array, bone: Mask, shape: Shape, spacing_mm: float) -> Array:
    """Returns a vessel's or nerve's bent tube, 1.4 to 5 mm wide, dark, most with a wall of its own."""
    through = shape.inside[rng.integers(len(shape.inside))]
    one = direction(rng)
    bent = Roughness(rng.uniform(1, 4), 0.3)
    u = height_mm(rng, Plane(through, one), hu.shape, spacing_mm, bent)
    v = height_mm(rng, Plane(through, across(rng, one)), hu.shape, spacing_mm, bent)
    away = np.hypot(u, v) - np.float32(rng.uniform(0.7, 2.5))
    walled = hu + rng.uniform(0, 300) * np.exp(-((away - 1) ** 2))
    tube = walled + (rng.uniform(-60, 80) - walled) * np.clip(0.5 - away / spacing_mm, 0, 1)
    return np.where(bone, tube, hu).astype(np.float32)


def remnant(rng: np.random.Generator, hu: Array, bone: Mask, shape: Shape, spacing_mm: float) -> Array:
    """Returns a line that ends before the cortex and parts nothing: the rest of a disc, seldom with gas."""
    core = ndimage.binary_erosion(bone, iterations=2, border_value=1)
    height = height_mm(rng, draw_plane(rng, shape), hu.shape, spacing_mm, draw_roughness(rng))
    within = np.clip(2 * (smooth_noise(rng, hu.shape, 4) + rng.uniform(-0.5, 0.8)), 0, 1) * core
    line = np.clip(1.5 - np.abs(height) / rng.uniform(0.8, 2.2), 0, 1) * within
    border = np.exp(-((np.abs(height) - 3) ** 2)) * within * rng.uniform(0, 250)
    filling = rng.uniform(-900, -300) if rng.random() < 0.1 else rng.uniform(*BLOOD_HU)
    return np.asarray(hu + border + rng.uniform(0.4, 1.0) * line * np.minimum(filling - hu, 0), np.float32)


def fissure_line(rng: np.random.Generator, hu: Array, bone: Mask, shape: Shape, spacing_mm: float) -> Array:
    """Returns a fracture that does not go through."""
    plane = draw_plane(rng, shape)
    height = height_mm(rng, plane, hu.shape, spacing_mm, draw_roughness(rng))
    side = distance_along(across(rng, plane.normal), plane.through_mm, hu.shape, spacing_mm)
    return fissure(rng, hu, bone, height, side, spacing_mm)


Drawing = Callable[[np.random.Generator, Array, Mask, Shape, float], Array]

# Shares of bones. Rare in the patients at hand but for vessels and remnants; each is met often enough to be
# learned. With two to three times these shares a network no longer saw true fractures of unseen patients
LOOKALIKES: dict[Drawing, float] = {
    growth_plate: 0.02,
    suture: 0.01,
    scar: 0.07,
    canal: 0.1,
    remnant: 0.15,
    fissure_line: 0.05,
}


def with_lookalikes(rng: np.random.Generator, hu: Array, bone: Mask, spacing_mm: float) -> Array:
    """Returns each of them in its share of bones."""
    drawn = [drawing for drawing, share in LOOKALIKES.items() if rng.random() < share]
    if not drawn or bone.sum() < ROOM:
        return hu
    box = box_of(bone)
    shape = shape_of(bone[box], spacing_mm)
    made = hu.copy()
    for drawing in drawn:
        made[box] = drawing(rng, made[box], bone[box], shape, spacing_mm)
    return made
