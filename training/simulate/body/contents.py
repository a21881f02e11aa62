"""Contents of soft tissue and objects beside a body, each painted into `hu` in place.

Every content takes (rng, tissues, sight, hu); CONTENTS holds the chance of each. The chances are
estimates for a trauma ward, raised for rare contents.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from training.sampling import Array, smooth_noise
from training.simulate.body.sight import Sight
from training.subjects.tissues import Tissue

Tissues = tuple[Tissue, ...]
Content = Callable[[np.random.Generator, Tissues, Sight, Array], None]
# Tissue is above, lung, clothes and air are below
TISSUE_HU = -200.0


def marked(tissues: Tissues, flags: list[bool], structures: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """Returns the mask of structures with a flag; None if there are none."""
    present = np.bincount(structures.ravel(), minlength=len(tissues)) > 0
    wanted = np.array(flags) & present[: len(tissues)]
    return wanted[structures] if wanted.any() else None


def gas(rng: np.random.Generator, tissues: Tissues, view: Sight, hu: Array) -> None:
    """Paints gas in parts of the bowel; in subjects without bowel, in pockets of the soft tissue."""
    flags = [tissue.may_hold_gas for tissue in tissues]
    within = marked(tissues, flags, view.structures)
    if within is None:
        if any(flags):
            return
        within = (view.structures == 0) & (hu > TISSUE_HU) & (view.surface_mm < -4)
    texture = smooth_noise(rng, hu.shape, 9)
    hu[within & (texture > rng.uniform(0.3, 3.0))] = rng.uniform(-1000, -700)


def contrast_medium(rng: np.random.Generator, tissues: Tissues, view: Sight, hu: Array) -> None:
    """Paints contrast medium in bladder or bowel, at times with a fluid level: it sinks dorsally."""
    flags = [tissue.may_hold_contrast and rng.random() < 0.6 for tissue in tissues]
    within = marked(tissues, flags, view.structures)
    if within is None:
        return
    full = hu > TISSUE_HU
    if rng.random() < 0.5:
        full &= (np.arange(hu.shape[1]) > rng.uniform(0, hu.shape[1]))[None, :, None]
    hu[within & full] = rng.uniform(100, 1500)


def calcifications(rng: np.random.Generator, tissues: Tissues, view: Sight, hu: Array) -> None:
    """Paints calcifications as dense as bone: in arterial walls, muscles and lymph nodes."""
    vessels = marked(tissues, [tissue.may_calcify for tissue in tissues], view.structures)
    within = (view.structures == 0) & (hu > 0) if vessels is None or rng.random() < 0.3 else vessels
    specks = smooth_noise(rng, hu.shape, max(hu.shape) // 3) > rng.uniform(1.8, 3)
    hu[within & specks & (view.surface_mm < -2)] = rng.uniform(200, 1300)


def haematoma(rng: np.random.Generator, tissues: Tissues, view: Sight, hu: Array) -> None:
    """Paints a haematoma around the bones, in which muscle and fat look alike."""
    del tissues
    reach_mm = rng.uniform(3, 12) * (1 + 0.5 * smooth_noise(rng, hu.shape, 6))
    bleeds = (view.surface_mm > -reach_mm) & (smooth_noise(rng, hu.shape, 4) > rng.uniform(0, 1.5))
    hu[bleeds & (hu > TISSUE_HU)] = rng.uniform(35, 90)


def couch(rng: np.random.Generator, tissues: Tissues, view: Sight, hu: Array) -> None:
    """Paints the couch, a curved shell filled with foam, behind the body."""
    del tissues
    x_mm, y_mm = (np.arange(n) * view.spacing_mm for n in hu.shape[:2])
    outside = view.skin_mm < -5
    if not outside.any():
        return
    top_mm = y_mm[np.nonzero(~outside.all(axis=(0, 2)))[0].max(initial=0)] + rng.uniform(0, 30)
    middle_mm, sag = rng.uniform(0, x_mm[-1]), rng.uniform(0, 0.5) / 200
    surface = top_mm - sag * (x_mm - middle_mm)[:, None] ** 2
    below = y_mm[None, :] - surface
    thick_mm, shell_mm = rng.uniform(15, 60), rng.uniform(1.5, 4)
    profile = np.where((below < shell_mm) | (below > thick_mm - shell_mm), rng.uniform(-600, 250), -920)
    there = ((below > 0) & (below < thick_mm))[:, :, None] & outside & (hu < TISSUE_HU)
    np.copyto(hu, profile[:, :, None].astype(np.float32), where=there)


def clothes(rng: np.random.Generator, tissues: Tissues, view: Sight, hu: Array) -> None:
    """Paints folded clothes, blankets and cushions on the skin."""
    del tissues
    fold_mm = rng.uniform(2, 12) + 3 * smooth_noise(rng, hu.shape, 9)
    distance = -view.skin_mm - fold_mm
    there = (np.abs(distance) < rng.uniform(0.7, 4)) & (hu < TISSUE_HU) & (view.skin_mm < -2)
    hu[there] = rng.uniform(-900, -100)


def limb(rng: np.random.Generator, tissues: Tissues, view: Sight, hu: Array) -> None:
    """Paints an arm beside the body: skin, fat, muscle, and one or two long bones, all of them background."""
    del tissues
    free = np.argwhere((hu < TISSUE_HU)[::8, ::8, ::8] & (view.skin_mm < -5)[::8, ::8, ::8])
    if len(free) == 0:
        return
    middle_mm = free[rng.integers(len(free))] * 8 * view.spacing_mm
    radius_mm = rng.uniform(28, 50)
    for part, low_hu, high_hu in ((1.0, -120, -70), (rng.uniform(0.6, 0.9), 30, 70)):
        rod(view, hu, middle_mm, radius_mm * part, rng.uniform(low_hu, high_hu))
    for _ in range(int(rng.integers(1, 3))):
        offset = middle_mm + np.array([*rng.uniform(-0.3, 0.3, 2), 0]) * radius_mm
        bone_mm = rng.uniform(6, 12)
        rod(view, hu, offset, bone_mm, rng.uniform(500, 1500))
        rod(view, hu, offset, bone_mm * rng.uniform(0.3, 0.75), rng.uniform(-60, 200))


def rod(view: Sight, hu: Array, middle_mm: NDArray[np.float64], radius_mm: float, value: float) -> None:
    """Paints a rod along the body's axis through a point of the patch, outside the body only."""
    x, y = np.ogrid[: hu.shape[0], : hu.shape[1]]
    near = (x * view.spacing_mm - middle_mm[0]) ** 2 + (y * view.spacing_mm - middle_mm[1]) ** 2
    hu[(near < radius_mm**2)[:, :, None] & (view.skin_mm < -1)] = value


CONTENTS: tuple[tuple[float, Content], ...] = (
    (0.9, gas),
    (0.2, contrast_medium),
    (0.15, calcifications),
    (0.15, haematoma),
    (0.5, couch),
    (0.15, clothes),
    (0.1, limb),
)
