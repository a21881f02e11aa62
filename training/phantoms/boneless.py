"""Draws a body in which muscle replaces every bone, as a CT in which no bone may be found."""

from __future__ import annotations

import numpy as np

from operators.geometry.volume import CtVolume
from training.phantoms.anatomy import pelvis_labels
from training.phantoms.hounsfield import AIR_HU, SOFT_HU
from training.phantoms.structures import BONES, Structure

SPACING_MM, NOISE_HU = 1.5, 14.0


def boneless_ct(rng: np.random.Generator) -> CtVolume:
    """Draws a CT without bones: 1.5 mm voxels, HU as int16, axes along left, posterior, superior."""
    body = pelvis_labels(rng, SPACING_MM)
    hu_of = {Structure.BACKGROUND: AIR_HU, **dict.fromkeys(BONES, SOFT_HU[Structure.MUSCLE]), **SOFT_HU}
    table = np.array([hu_of[structure] for structure in Structure], np.float32)
    hu = table[body.labels] + rng.standard_normal(body.grid.shape, dtype=np.float32) * np.float32(NOISE_HU)
    return CtVolume(np.rint(hu).astype(np.int16), body.grid)
