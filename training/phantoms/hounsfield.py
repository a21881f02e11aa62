"""Hounsfield units of each structure: one value for soft tissue, a profile by depth for bone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.phantoms.shapes import Field
from training.phantoms.structures import Structure

AIR_HU = -1000.0
# Chosen within CT's usual ranges: fat -120..-80, muscle and clotted blood 40..70; vessels with contrast.
SOFT_HU: dict[Structure, float] = {
    Structure.FAT: -100.0,
    Structure.SKIN: 10.0,
    Structure.MUSCLE: 55.0,
    Structure.GLUTEAL: 52.0,
    Structure.ILIOPSOAS: 62.0,
    Structure.BLADDER: 8.0,
    Structure.RECTUM: 32.0,
    Structure.BOWEL: 40.0,
    Structure.GAS: -880.0,
    Structure.VESSEL: 125.0,
    Structure.DISC: 85.0,
    Structure.CARTILAGE: 75.0,
    Structure.HAEMATOMA: 62.0,
}


@dataclass(frozen=True)
class BoneLook:
    """Densities of cortex and interior; at `cortex_mm` of depth half of the cortex's density is left.

    `shaft_mm` is how much thicker the cortex is along a shaft, whose interior is marrow.
    """

    cortex_hu: float
    cortex_mm: float
    inside_hu: float
    shaft_mm: float = 0.0


# Tuned to the median and 95th percentile measured in the CT of three patients (FracSegNet test data).
BONE_LOOK: dict[Structure, BoneLook] = {
    Structure.SACRUM: BoneLook(820.0, 1.0, 190.0),
    Structure.HIP_LEFT: BoneLook(1080.0, 1.5, 250.0),
    Structure.HIP_RIGHT: BoneLook(1080.0, 1.5, 250.0),
    Structure.FEMUR_LEFT: BoneLook(1180.0, 2.0, 270.0, 4.5),
    Structure.FEMUR_RIGHT: BoneLook(1180.0, 2.0, 270.0, 4.5),
    Structure.VERTEBRA: BoneLook(780.0, 1.0, 190.0),
}


def trabecular_tile(rng: np.random.Generator) -> NDArray[np.float32]:
    """Returns a periodic texture in a cube of 96 voxels a side, mean 0, standard deviation 1."""
    white = rng.standard_normal((96, 96, 96), dtype=np.float32)
    fine, coarse = (ndimage.gaussian_filter(white, sigma, mode="wrap") for sigma in (0.9, 4.0))
    tile = fine * 3 + coarse * 30
    return np.asarray((tile - tile.mean()) / tile.std(), dtype=np.float32)


def bone_hu(depth_mm: Field, z_mm: Field, texture: Field, look: BoneLook) -> Field:
    """Returns HU by depth under the surface and height z; cortex blends into the interior over about 1 mm."""
    shaft = np.clip((-30 - z_mm) / 45, 0, 1) * (look.shaft_mm > 0)
    thickness = look.cortex_mm * (1 + 0.18 * np.clip(texture, -2, 2)) + shaft * look.shaft_mm
    cortex = 1 / (1 + np.exp(np.clip((depth_mm - thickness) / 0.35, -30, 30)))
    inside = look.inside_hu * (1 - 0.9 * shaft) + 75 * texture * (1 - 0.6 * shaft)
    return np.asarray(inside + (look.cortex_hu + 90 * texture - inside) * cortex, dtype=np.float32)


def streaks(shape: tuple[int, int, int], rng: np.random.Generator) -> Field:
    """Returns HU to add to soft tissue for fat and fibres, standard deviation 7."""
    smooth = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), 1.1)
    return np.asarray(smooth * (7 / smooth.std()), dtype=np.float32)
