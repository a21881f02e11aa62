"""Reads a package whose network's classes are its labels: [network], [[folds]], [recipe], [[labels]].

The stage before it, if there is one, stands in [previous.network], [[previous.folds]], [previous.recipe].
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from operators.errors import ModelError
from operators.imaging.orientation import is_orientation
from operators.imaging.package_parts import (
    check_network,
    check_values,
    label_of,
    network_of,
    plain,
    plain_package,
    quality_of,
    tuples,
)
from operators.imaging.packages import Acceptance, Label
from operators.imaging.recipes import DirectPackage, Origin, Recipe, Resampling, Stage

SEPARATE = ("auto", "always", "never")
AVERAGED = ("logits", "probabilities")


def direct_package_of(table: dict[str, Any], folder: Path) -> DirectPackage:
    """The package that a parsed package.toml describes.

    Raises KeyError, TypeError or ValueError for what does not fit, ModelError where a code is not
    filled in yet.
    """
    tables = ("accepts", "labels", "network", "folds", "recipe", "previous", "origin", "quality")
    texts = {key: value for key, value in table.items() if key not in tables}
    require_codes(table["labels"], folder)
    package = plain_package(
        DirectPackage(
            folder=folder,
            accepts=plain(Acceptance(**tuples(table["accepts"])), "accepts"),
            labels=tuple(direct_label(row) for row in table["labels"]),
            stages=stages_of(table, folder),
            quality=quality_of(table),
            origin=plain(Origin(**tuples(table["origin"])), "origin"),
            **texts,
        )
    )
    check(package)
    return package


def stages_of(table: dict[str, Any], folder: Path) -> tuple[Stage, ...]:
    """The stages in the order in which they run. Raises ValueError where one does not fit."""
    stages: list[Stage] = []
    for row in (*([table["previous"]] if "previous" in table else []), table):
        stages.append(stage_of(row, folder, stages[-1] if stages else None))
    return tuple(stages)


def stage_of(row: dict[str, Any], folder: Path, before: Stage | None) -> Stage:
    """One stage; what [network] says holds for all of its folds."""
    folds = tuple(network_of(fold["name"], row["network"] | files_of(fold), folder) for fold in row["folds"])
    if not folds:
        raise ValueError("expected at least one fold")
    for spec in folds:
        check_network(spec)
    stage = Stage(folds, recipe_of(row["recipe"]))
    check_recipe(stage)
    check_resampling(stage.recipe)
    return replace(stage, guide_values=guide_values_of(stage, before))


def guide_values_of(stage: Stage, before: Stage | None) -> tuple[int, ...]:
    """What the classes of the stage before that a stage reads are in its labels. Raises ValueError."""
    values, guide = before.values if before else {}, stage.spec.guide
    if set(guide) - set(values) or bool(guide) != bool(values):
        raise ValueError(f"network.guide: expected some of the classes of [previous], got {guide}")
    return tuple(values[name] for name in guide)


def files_of(fold: dict[str, Any]) -> dict[str, Any]:
    """The weights of one fold."""
    return {"weights": fold["weights"], "sha256": fold["sha256"]}


def recipe_of(row: dict[str, Any]) -> Recipe:
    """The [recipe] table."""
    ways: dict[str, Any] = {
        name: plain(Resampling(**tuples(row[name])), f"recipe.{name}")
        for name in ("image", "output", "guide")
        if name in row
    }
    return plain(Recipe(**(tuples(row) | ways)), "recipe")


def direct_label(row: dict[str, Any]) -> Label:
    """One [[labels]] table with the value that the network's output writes."""
    named = {key: entry for key, entry in row.items() if key != "value"}
    values = {"first_value": row["value"], "last_value": row["value"], "minimum_ml": 0.0}
    return label_of(named | values | {"coarse_class": row["name"], "fine_class": row["name"]})


def require_codes(rows: list[dict[str, Any]], folder: Path) -> None:
    """Raises ModelError where a label has no code yet."""
    empty = [str(row["name"]) for row in rows if not (row["type"]["value"] and row["category"]["value"])]
    if empty:
        more = f" and {len(empty) - 5} more" if len(empty) > 5 else ""
        raise ModelError(
            f"{folder.name}: expected a code for every label, got none for {', '.join(empty[:5])}{more}; "
            "fill in their type.value, or take out the rows that need not be delivered",
            code="labels_without_codes",
        )


def check(package: DirectPackage) -> None:
    """Raises ValueError where the last stage and the labels do not fit each other."""
    if not package.labels:
        raise ValueError("expected at least one label")
    check_values(package.labels)
    written = set(package.stages[-1].values.values())
    for label in package.labels:
        if label.first_value not in written:
            raise ValueError(f"labels.{label.name}.value: expected one that the network writes, got "
                             f"{label.first_value}")


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
