"""The variants to compare: each changes one property of the first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from training.recipe import NetworkRecipe, Recipe

STEPS = 1500
# Size of the pool; each patch is used STEPS / PATCHES times, mirrored and cropped at random
PATCHES = 300
SIDE = 48
# Half of the shipped network's filters, so that trainings are short enough to repeat
FILTERS = (16, 32, 64, 128)


@dataclass(frozen=True)
class Variant:
    """One short training; `real` are the folders of the patients it may use."""

    name: str
    encoding: str = "contact"
    loss: str = "dice_ce"
    spacing_mm: float = 1.2
    filters: tuple[int, ...] = FILTERS
    real: tuple[str, ...] = ()
    seed: int = 0

    @property
    def file(self) -> str:
        """Returns the variant's name for paths."""
        return self.name.replace(" ", "_").replace("/", "_")


def variants(recipe: Recipe) -> list[Variant]:
    """Returns all variants, most important first; with real fractures once for each patient of the recipe."""
    folders = [row.folder for row in recipe.sources.bone_sets]
    return [
        Variant("base"),
        Variant("base, other seed", seed=1),
        Variant("border and core", encoding="border_core"),
        Variant("distance-weighted loss", loss="distance_weighted"),
        Variant("deep supervision", loss="deep_supervision"),
        *(Variant(f"with real fractures of {Path(one).name}", real=(one,)) for one in folders),
        Variant("1.0 mm", spacing_mm=1.0),
        Variant("0.8 mm", spacing_mm=0.8),
        Variant("twice the filters", filters=(32, 64, 128, 256)),
    ]


def network_recipe(variant: Variant, recipe: Recipe, classes: tuple[str, ...]) -> NetworkRecipe:
    """Returns the variant's recipe; window, learning rate and architecture are those of the given recipe."""
    like = next(network for network in recipe.networks.values() if network.kind == "fracture")
    return NetworkRecipe(
        name=variant.file,
        kind="fracture",
        classes=classes,
        spacing_mm=variant.spacing_mm,
        patch=(SIDE,) * 3,
        window_hu=like.window_hu,
        architecture=like.architecture,
        filters=variant.filters,
        steps=STEPS,
        learning_rate=like.learning_rate,
        scored=classes[2:],
    )
