"""Paints Hounsfield units: soft tissue first, then its contents, then bone."""

from __future__ import annotations

import numpy as np

from training.sampling import Array, smooth_noise
from training.simulate.body.bones import Skeleton, paint_bones, skeleton
from training.simulate.body.contents import CONTENTS, limb
from training.simulate.body.sight import Sight
from training.subjects.subjects import Subject
from training.subjects.tissues import Tissue

AIR_HU = -1000.0
SKIN_MM = 3.0


def paint(rng: np.random.Generator, subject: Subject, view: Sight, limbs: bool = True) -> Array:
    """Returns the patch's HU (float32) before scanner effects, with partial volume at the bones' edges.

    With `limbs`, arms whose bones are background may lie beside the body.
    """
    frame = skeleton(rng)
    means = draw_means(rng, subject.tissues, frame)
    hu: Array = means[view.structures]
    paint_connective_tissue(rng, subject.tissues, view, hu)
    for chance, content in CONTENTS:
        if rng.random() < chance and (limbs or content is not limb):
            content(rng, subject.tissues, view, hu)
    return paint_bones(rng, subject, view, means, hu, frame)


def draw_means(rng: np.random.Generator, tissues: tuple[Tissue, ...], frame: Skeleton) -> Array:
    """Draws a mean for each structure; structures drawn together differ by a tenth of their range."""
    shares: dict[str, float] = {"bone": frame.density}
    means = []
    for tissue in tissues:
        share = rng.random()
        if tissue.drawn_with:
            common = shares.setdefault(tissue.drawn_with, share)
            share = float(np.clip(common + rng.uniform(-0.1, 0.1), 0, 1))
        means.append(tissue.low_hu + share * (tissue.high_hu - tissue.low_hu))
    return np.array(means, np.float32)


def paint_connective_tissue(
    rng: np.random.Generator, tissues: tuple[Tissue, ...], view: Sight, hu: Array
) -> None:
    """Paints fat and muscle where no structure is labelled and under the bones, skin around, air outside."""
    bone = np.array([tissue.bone for tissue in tissues])
    rest = (view.structures == 0) | bone[view.structures]
    depth_mm = rng.uniform(3, 35)
    texture = fat_and_muscle_texture(rng, hu.shape)
    fat, muscle = rng.uniform(-120, -70), rng.uniform(25, 80)
    level = np.float32(rng.uniform(-1.2, 1.5))
    # Muscles have sharp edges and marbling has soft ones: the width of the ramp varies
    mixed = np.clip((level - texture) * np.float32(rng.uniform(1.5, 12)) + 0.5, 0, 1)
    mixed *= view.skin_mm >= depth_mm
    tissue = np.float32(fat) + np.float32(muscle - fat) * mixed
    tissue[view.skin_mm < SKIN_MM] = rng.uniform(-30, 60)
    tissue[view.skin_mm < 0] = AIR_HU
    np.copyto(hu, tissue, where=rest)
    fluid = rest & (view.second_mm > -3) & (view.surface_mm > -3)
    hu[fluid] = rng.uniform(20, 120)


def fat_and_muscle_texture(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Returns noise at two scales, standard deviation about 1."""
    share = np.float32(rng.uniform(0.2, 0.8))
    texture = smooth_noise(rng, shape, int(rng.integers(5, 10))) * share
    texture += smooth_noise(rng, shape, int(rng.integers(12, 24))) * (1 - share)
    return texture
