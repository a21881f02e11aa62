"""Whether what package.toml says of a published network's stage can be done."""

from __future__ import annotations

from operators.geometry.largest_component import Largest
from operators.geometry.orientation import is_orientation
from operators.packages.plans import Recipe, Stage

SEPARATE = ("auto", "always", "never")
AVERAGED = ("logits", "probabilities")


def check_stage(stage: Stage) -> None:
    """Raises ValueError for what cannot."""
    check_recipe(stage)
    check_resampling(stage.recipe)
    check_largest(stage.largest)


def check_recipe(stage: Stage) -> None:
    """Raises ValueError for what is no way to prepare an image."""
    recipe, spec = stage.recipe, stage.spec
    if recipe.regions and len(recipe.regions) != len(spec.classes):
        raise ValueError(f"recipe.regions: expected one value for each of {len(spec.classes)} classes")
    if not is_orientation(recipe.orientation):
        raise ValueError(f"recipe.orientation: expected three directions such as LPS, got "
                         f"{recipe.orientation!r}")
    if sorted(recipe.transpose) != [0, 1, 2]:
        raise ValueError(f"recipe.transpose: expected an order of 0, 1, 2, got {recipe.transpose}")
    if not 0 < recipe.step <= 1:
        raise ValueError(f"recipe.step: expected more than 0 and at most 1, got {recipe.step}")
    if recipe.averaged not in AVERAGED:
        raise ValueError(f"recipe.averaged: expected one of {AVERAGED}, got {recipe.averaged!r}")
    if set(recipe.mirror_axes) - set(range(spec.dimensions)):
        raise ValueError(f"recipe.mirror_axes: expected axes of {spec.dimensions}, got {recipe.mirror_axes}")


def check_resampling(recipe: Recipe) -> None:
    """Raises ValueError for splines that there are not."""
    if max(recipe.output.order, recipe.output.order_across) > 1:
        raise ValueError(f"recipe.output: expected orders 0 or 1, got {recipe.output}")
    if recipe.guide.order_across:
        raise ValueError(f"recipe.guide.order_across: expected 0, got {recipe.guide.order_across}")
    for way in (recipe.image, recipe.output, recipe.guide):
        if way.separate not in SEPARATE or not 0 <= way.order <= 5 or not 0 <= way.order_across <= 5:
            raise ValueError(f"recipe: expected orders of 0..5 and separate of {SEPARATE}, got {way}")


def check_largest(largest: tuple[Largest, ...]) -> None:
    """Raises ValueError for what is no way to keep components."""
    for rule in largest:
        if not rule.values or rule.connected not in (1, 2, 3):
            raise ValueError(f"largest: expected values and connected of 1, 2 or 3, got {rule}")
