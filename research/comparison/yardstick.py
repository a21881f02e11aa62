"""Test and tuning bones of the comparison: bones that no variant saw, with real and simulated fractures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.pipelines.coarse_to_fine import BAND_MM
from research.comparison.short_run import Place
from training.fracturing import BrokenModel, FractureRules, fracture
from training.fracturing.bone import with_nearest
from training.phantoms import Phantom
from training.simulate.bone_patches import OUTSIDE_HU, BoneSubject
from training.simulate.single_bones import BONE_SPACING_MM, real_bone, scanned_phantom
from training.simulate.sources import Sources, phantom_of

SIMULATED_EACH = 1
MUSCLE_HU = 40.0
# Gaps up to twice this belong to the outline, since an anatomy network bridges them
CLOSING_MM = 2.4
TUNING_SEEDS = (3001, 3002)


@dataclass(frozen=True, eq=False)
class TestBone:
    """One bone: `hu` (I, J, K) int16, blanked outside the bone, its true `fragments` and its `outline`.

    `patient` is its source folder; `kind` is real, simulated or intact.
    """

    name: str
    patient: str
    kind: str
    hu: NDArray[np.int16]
    fragments: NDArray[np.uint8]
    outline: NDArray[np.bool_]
    spacing_mm: float


def test_bones(place: Place) -> list[TestBone]:
    """Returns the bones of the recipe's patients as they are, and intact ones with simulated fractures."""
    return kept(place, "test bones", made_test_bones(place))


def tuning_bones(place: Place) -> list[TestBone]:
    """Returns the bones of phantoms on which each variant's threshold is chosen."""
    return kept(place, "tuning bones", made_tuning_bones(phantom_of(place.recipe)))


def kept(place: Place, key: str, bones: Iterator[TestBone]) -> list[TestBone]:
    """Returns the bones from the cache, or makes them."""
    return Sources(place.recipe, place.data, place.folder / "cache").kept(key, lambda: list(bones))


def made_test_bones(place: Place) -> Iterator[TestBone]:
    """Yields the bones of `test_bones`."""
    for row in place.recipe.sources.bone_sets:
        for suffix in row.bones:
            name, patient = f"{row.folder} {suffix}", row.folder
            bone = in_muscle(real_bone(place.data / patient, suffix))
            fractured = len(np.unique(bone.fragments)) > 2
            yield test_bone(name, patient, "real" if fractured else "intact", bone, BONE_SPACING_MM)
            for number in range(0 if fractured else SIMULATED_EACH):
                broken = certainly_broken(np.random.default_rng([23, number]), bone, BONE_SPACING_MM)
                yield test_bone(f"{name} {number}", patient, "simulated", broken, BONE_SPACING_MM)


def made_tuning_bones(model: Phantom) -> Iterator[TestBone]:
    """Yields the bones of `tuning_bones`; every second phantom is intact and gets simulated fractures."""
    for seed in TUNING_SEEDS:
        for subject in scanned_phantom(model, seed):
            spacing_mm = float(subject.spacing_mm[0])
            bone = in_muscle(subject)
            if seed % 2 == 0:
                bone = certainly_broken(np.random.default_rng([29, seed]), bone, spacing_mm)
            yield test_bone(subject.name, "phantom", "tuning", bone, spacing_mm)


def in_muscle(subject: BoneSubject) -> BrokenModel:
    """Returns a bone with its true fragments, surrounded by muscle."""
    inside = subject.mask >= 0.5
    hu = np.where(inside, np.asarray(subject.hu, np.float32), np.float32(MUSCLE_HU))
    return BrokenModel(hu, with_nearest(subject.fragments * inside, inside))


def certainly_broken(rng: np.random.Generator, bone: BrokenModel, spacing_mm: float) -> BrokenModel:
    """Returns the bone with a simulated fracture that separates it."""
    while True:
        broken = fracture(rng, bone, spacing_mm, FractureRules(intact=0.0))
        if len(np.unique(broken.fragments)) > 2:
            return broken


def test_bone(name: str, patient: str, kind: str, bone: BrokenModel, spacing_mm: float) -> TestBone:
    """Returns the bone as the pipeline presents it, within a true outline."""
    whole = bone.fragments > 0
    steps = round(CLOSING_MM / spacing_mm)
    closed = ndimage.binary_closing(np.pad(whole, steps), iterations=steps)
    outline = whole | closed[(slice(steps, -steps),) * 3]
    near = ndimage.distance_transform_edt(~outline, sampling=spacing_mm) <= BAND_MM
    hu = np.where(near, bone.hu, OUTSIDE_HU).astype(np.int16)
    return TestBone(name, patient, kind, hu, bone.fragments, outline, spacing_mm)
