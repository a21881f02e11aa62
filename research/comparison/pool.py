"""The pool of patches that every short training uses in the same order: drawn once, stored on disk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.fracturing import FractureRules
from training.recipe import Recipe
from training.simulate.bone_patches import BONE_POSE, BoneSubject, by_kind, fractured_bone, scanned
from training.simulate.sources import Sources

# Side of the stored patches, from which a variant's patch is cropped
SIDE = 64
# Shares of truly fractured bones, other real ones, shapes of label maps, phantoms: the recipe's shares with
# real bones, else shapes and phantoms only
WITH_REAL = (0.3, 0.275, 0.275, 0.15)
SIMULATED = (0.0, 0.0, 0.7, 0.3)


@dataclass(frozen=True)
class PoolRules:
    """Rules of a pool: spacing, allowed folders of real bones, number of patches."""

    spacing_mm: float
    real: tuple[str, ...]
    patches: int

    @property
    def name(self) -> str:
        """Returns the pool's file name without suffix."""
        return "_".join([f"{self.spacing_mm}mm", *(Path(folder).name for folder in self.real)])


@dataclass(frozen=True, eq=False)
class Pool:
    """Patches: `hu` (N, 64, 64, 64) float16, `contact` and `fragments` (N, 64, 64, 64) uint8."""

    hu: NDArray[np.float16]
    contact: NDArray[np.uint8]
    fragments: NDArray[np.uint8]


def pool(rules: PoolRules, recipe: Recipe, data: Path, folder: Path) -> Pool:
    """Returns the pool, drawn on first use."""
    path = folder / "pools" / rules.name
    if not (path / "done").exists():
        draw(rules, recipe, data, folder, path)
    return Pool(*(np.load(path / f"{part}.npy", mmap_mode="r") for part in ("hu", "contact", "fragments")))


def draw(rules: PoolRules, recipe: Recipe, data: Path, folder: Path, path: Path) -> None:
    """Draws a pool; each patch has its own seed, so that a resumed pool is the same."""
    path.mkdir(parents=True, exist_ok=True)
    groups, shares = bone_groups(rules, recipe, data, folder)
    shape = (rules.patches, SIDE, SIDE, SIDE)
    made = Pool(
        np.lib.format.open_memmap(path / "hu.npy", "w+", np.float16, shape),
        np.lib.format.open_memmap(path / "contact.npy", "w+", np.uint8, shape),
        np.lib.format.open_memmap(path / "fragments.npy", "w+", np.uint8, shape),
    )
    for number in range(rules.patches):
        rng = np.random.default_rng([17, number])
        group = groups[int(rng.choice(len(groups), p=shares))]
        subject = group[int(rng.integers(len(group)))]
        bone = fractured_bone(rng, subject, shape[1:], rules.spacing_mm, BONE_POSE, FractureRules())
        sample = scanned(rng, bone, rules.spacing_mm)
        made.hu[number], made.contact[number] = sample.hu, sample.target
        made.fragments[number] = bone.fragments
    (path / "done").touch()


def bone_groups(
    rules: PoolRules, recipe: Recipe, data: Path, folder: Path
) -> tuple[list[list[BoneSubject]], tuple[float, ...]]:
    """Returns bones by kind, and the share of each kind."""
    rows = tuple(row for row in recipe.sources.bone_sets if row.folder in rules.real)
    sources = Sources(
        replace(recipe, sources=recipe.sources.model_copy(update={"bone_sets": rows})), data, folder / "cache"
    )
    groups = [*by_kind(sources.bones()), sources.phantom_bones()]
    return groups, WITH_REAL if rows else SIMULATED
