"""Fracture lines as CT shows them: a gap of blood, a hairline, a dense line of impaction, a haematoma."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.fracturing.bone import BrokenModel, Mask, several_fragments
from training.fracturing.rules import BLOOD_HU, FractureRules
from training.sampling import Array, smooth_noise

# Scanner and network blur halve a line one voxel wide; what is left must stand out of the noise (25 HU)
# and of the trabeculae (46 to 76 HU in six real bones), else a network learns to see what is not there
VISIBLE_HU = (130.0, 240.0)
# Between hairlines' edges lie blood and the marrow's fat
HAIRLINE_HU = (-50.0, 70.0)
# The narrowest gap that is drawn at its full depth
LEAST_GAP_MM = 0.3
HAEMATOMA_MM = 8.0


@dataclass(frozen=True)
class Line:
    """How wide a fracture gapes on average; an impacted one does not, but shows dense."""

    gap_mm: float
    impacted: bool = False


def draw_line(rng: np.random.Generator, rules: FractureRules) -> Line:
    """Returns a hairline or a gap."""
    hairline = rng.random() < rules.hairline
    return Line(float(rng.uniform(*(rules.hairline_mm if hairline else rules.gap_mm))))


def gap_at(rng: np.random.Generator, line: Line, shape: tuple[int, ...]) -> Array:
    """Returns the gap in mm at each voxel: fractures gape in one place and are all but closed in another."""
    if line.impacted:
        return np.zeros(shape, np.float32)
    uneven = np.clip(1 + rng.uniform(0, 0.6) * smooth_noise(rng, shape, 4), 0.4, 2.0)
    return np.asarray(line.gap_mm * uneven, np.float32)


def gaping(away_mm: Array, gap_mm: Array, spacing_mm: float) -> Mask:
    """Voxels that belong to no fragment; a gap narrower than a voxel has none."""
    return (away_mm < gap_mm / 2) & (gap_mm >= spacing_mm)


def with_gap(
    rng: np.random.Generator, hu: Array, within: Mask, away_mm: Array, gap_mm: Array, spacing_mm: float
) -> Array:
    """Blood in a gap, in the share of each voxel that it fills, but never too faint to be seen."""
    there = np.where(within, np.clip((gap_mm / 2 - away_mm) / spacing_mm + 0.5, 0, 1), 0)
    filling = rng.uniform(*(HAIRLINE_HU if float(gap_mm.mean()) < spacing_mm else BLOOD_HU))
    # Alike whether the surface runs through voxels' centres or between them
    line = np.where(within, np.clip(1 - (away_mm - gap_mm / 2) / (1.25 * spacing_mm), 0, 1), 0)
    least = line * np.minimum(gap_mm / LEAST_GAP_MM, 1)
    return darken(rng, hu, there * np.minimum(gap_mm / spacing_mm, 1), filling, least)


def darken(rng: np.random.Generator, hu: Array, share: Array, filling: float, least: Array) -> Array:
    """Returns a filling's `share` of each voxel mixed in, but dark by `least` times what can be seen.

    Fat that is darker than the filling grows brighter instead.
    """
    drop = (hu - filling) * share
    seen = np.minimum(least * rng.uniform(*VISIBLE_HU), np.maximum(hu - HAIRLINE_HU[0], 0))
    return np.asarray(hu - np.where(hu > filling, np.maximum(drop, seen), drop), np.float32)


def with_impaction(rng: np.random.Generator, hu: Array, within: Mask, away_mm: Array) -> Array:
    """Trabeculae driven into each other: a dense band, 2 to 5 mm wide, unevenly."""
    band = np.exp(-((away_mm / np.float32(rng.uniform(1.0, 2.5))) ** 2))
    uneven = np.clip(1 + 0.35 * smooth_noise(rng, hu.shape, 7), 0.3, 1.7)
    return np.asarray(hu + np.where(within, rng.uniform(150, 450) * band * uneven, 0), np.float32)


def with_haematoma(rng: np.random.Generator, hu: Array, bone: Mask, away_mm: Array) -> Array:
    """Soft tissue beside a fracture: blood in strands and pools."""
    strands = np.clip(0.6 + 0.5 * smooth_noise(rng, hu.shape, 6), 0, 1)
    share = rng.uniform(0, 1) * strands * np.exp(-((away_mm / HAEMATOMA_MM) ** 2))
    return np.where(bone, hu, hu + (np.float32(rng.uniform(*BLOOD_HU)) - hu) * share).astype(np.float32)


def with_lines_between(rng: np.random.Generator, bone: BrokenModel) -> BrokenModel:
    """Returns where two moved fragments touch, a line of blood: what is unseen cannot be learned."""
    touching = several_fragments(bone.fragments, 3) & (bone.fragments > 0)
    line = touching.astype(np.float32)
    return BrokenModel(
        darken(rng, bone.hu, line * rng.uniform(0.4, 1.0), rng.uniform(*BLOOD_HU), line), bone.fragments
    )


def fissure(
    rng: np.random.Generator, hu: Array, whole: Mask, height: Array, side: Array, spacing_mm: float
) -> Array:
    """Returns a fracture that ends inside the bone: a line over a third to 60 % of the section, none beyond.

    `side` (mm) runs along the surface, across the bone.
    """
    on_line = whole & (np.abs(height) < spacing_mm)
    if not on_line.any():
        return hu
    end = np.quantile(side[on_line], rng.uniform(0.33, 0.6))
    fading = np.clip((end - side) / np.float32(4.0), 0, 1)
    gap = np.float32(rng.uniform(0.5, 1.8)) * fading
    return with_gap(rng, hu, whole & (side < end), np.abs(height), gap, spacing_mm)
