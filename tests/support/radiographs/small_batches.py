"""Recipes for radiographs as they are, but for batches of a few images: commands are tested, not networks."""

from __future__ import annotations

from dataclasses import replace

from training.radiograph.batches.sampler import Draws
from training.radiograph.loop.schedule import RECIPES, RadiographRecipe

NAME = "outlines"


def with_small_batches(recipe: RadiographRecipe) -> RadiographRecipe:
    """Returns the recipe with at most two images of each kind in a batch."""
    phases = [replace(phase, draws=tuple(map(fewer, phase.draws))) for phase in recipe.phases]
    return replace(recipe, phases=tuple(phases))


def fewer(draws: Draws) -> Draws:
    """Returns a batch of the same kinds of images, at most two of each."""
    return replace(
        draws,
        fractures=min(draws.fractures, 2),
        simulated=min(draws.simulated, 2),
        others=min(draws.others, 2),
    )


def make_batches_small() -> None:
    """Changes the recipe for the rest of the process."""
    RECIPES[NAME] = with_small_batches(RECIPES[NAME])
