"""The table of scanner effects, and scans that combine them with random strength."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from training.sampling import Array
from training.simulate.scanner.artefacts import beam_hardening, motion, rings
from training.simulate.scanner.kernels import sharp_kernel, smooth_kernel
from training.simulate.scanner.metal import metal, with_implants
from training.simulate.scanner.noise import dose_noise, starvation_streaks
from training.simulate.scanner.slices import Spacing, thick_slices, tilted_slices
from training.simulate.scanner.unseen import (
    UNSEEN_HU,
    circle_through,
    plane_through,
)

# Applies to a patch or a whole volume, axes along left, posterior, superior: (rng, hu, spacing_mm, strength)
# -> hu
Effect = Callable[[np.random.Generator, Array, Spacing, float], Array]
# Twelve bits
LOWEST_HU, HIGHEST_HU = -1024.0, 3071.0

EFFECTS: dict[str, Effect] = {
    "metal": metal,
    "beam_hardening": beam_hardening,
    "motion": motion,
    "smooth_kernel": smooth_kernel,
    "sharp_kernel": sharp_kernel,
    "dose_noise": dose_noise,
    "starvation_streaks": starvation_streaks,
    "rings": rings,
    "thick_slices": thick_slices,
    "tilted_slices": tilted_slices,
}

# Chance, effect, and range of its strength in the effect's own unit, in physical order. Slices come after
# noise, since averaging reduces noise. Rare effects have raised chances, since a network fails on images it
# never saw.
SCAN: tuple[tuple[float, str, tuple[float, float]], ...] = (
    (0.1, "beam_hardening", (10, 80)),
    (0.03, "motion", (1, 4)),
    (0.9, "smooth_kernel", (0.1, 0.9)),
    (0.25, "sharp_kernel", (0.3, 1.5)),
    (1.0, "dose_noise", (3, 45)),
    (0.06, "starvation_streaks", (10, 80)),
    (0.04, "rings", (5, 30)),
    (0.3, "thick_slices", (0.5, 6.0)),
    (0.03, "tilted_slices", (-25, 25)),
)

# Range of the strength of metal's streaks in HU
STREAKS_HU = (50.0, 900.0)

UNSEEN = ((0.08, circle_through), (0.12, plane_through))


def implanted(
    rng: np.random.Generator, hu: Array, spacing_mm: float, chance: float
) -> tuple[Array, NDArray[np.bool_] | None]:
    """Returns the patch with implants at a chance, and which voxels are mostly metal; None without implants.

    The effects of `scan` come after it.
    """
    if rng.random() >= chance:
        return hu, None
    with_metal, share = with_implants(rng, hu, (spacing_mm,) * 3, float(rng.uniform(*STREAKS_HU)))
    return with_metal, share >= 0.5


def scan(rng: np.random.Generator, hu: Array, spacing_mm: float) -> Array:
    """Returns the patch with random scanner effects, float32."""
    spacing = (spacing_mm, spacing_mm, spacing_mm)
    for chance, name, strengths in SCAN:
        if rng.random() < chance:
            hu = EFFECTS[name](rng, hu, spacing, float(rng.uniform(*strengths)))
    return np.clip(hu, LOWEST_HU, HIGHEST_HU).astype(np.float32, copy=False)


def hide_unseen(
    rng: np.random.Generator, hu: Array, target: NDArray[np.uint8], spacing_mm: float
) -> tuple[Array, NDArray[np.uint8]]:
    """Blanks image and target beyond a circle or a plane in some patches, as where a scan ends."""
    spacing = (spacing_mm, spacing_mm, spacing_mm)
    for chance, beyond in UNSEEN:
        if rng.random() < chance:
            unseen = beyond(rng, hu.shape, spacing)
            hu, target = np.where(unseen, np.float32(UNSEEN_HU), hu), np.where(unseen, np.uint8(0), target)
    return hu, target
