"""Reads a package whose network's classes are its labels: [network], [[folds]], [recipe], [[labels]]."""

from __future__ import annotations

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
    tuples,
)
from operators.imaging.packages import Acceptance, DirectPackage, Label, Origin, Recipe, Resampling

SEPARATE = ("auto", "always", "never")
AVERAGED = ("logits", "probabilities")


def direct_package_of(table: dict[str, Any], folder: Path) -> DirectPackage:
    """The package that a parsed package.toml describes.

    Raises KeyError, TypeError or ValueError for what does not fit, ModelError where a code is not
    filled in yet.
    """
    tables = ("accepts", "labels", "network", "folds", "recipe", "origin")
    texts = {key: value for key, value in table.items() if key not in tables}
    require_codes(table["labels"], folder)
    package = plain_package(
        DirectPackage(
            folder=folder,
            accepts=plain(Acceptance(**tuples(table["accepts"])), "accepts"),
            labels=tuple(direct_label(row) for row in table["labels"]),
            folds=tuple(network_of(row["name"], network_row(table, row), folder) for row in table["folds"]),
            recipe=recipe_of(table["recipe"]),
            origin=plain(Origin(**tuples(table["origin"])), "origin"),
            **texts,
        )
    )
    check(package)
    return package


def network_row(table: dict[str, Any], fold: dict[str, Any]) -> dict[str, Any]:
    """What [network] says of all folds, and the weights of one."""
    return {**table["network"], "weights": fold["weights"], "sha256": fold["sha256"]}


def recipe_of(row: dict[str, Any]) -> Recipe:
    """The [recipe] table."""
    ways = {
        name: plain(Resampling(**tuples(row[name])), f"recipe.{name}") for name in ("image", "output")
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
    """Raises ValueError where network, recipe and labels do not fit each other."""
    if not package.folds or not package.labels:
        raise ValueError("expected at least one fold and one label")
    for spec in package.folds:
        check_network(spec)
    check_recipe(package.recipe, package.folds[0].dimensions)
    check_values(package.labels)
    written = values_written(package)
    for label in package.labels:
        if label.first_value not in written:
            raise ValueError(f"labels.{label.name}.value: expected one that the network writes, got "
                             f"{label.first_value}")


def values_written(package: DirectPackage) -> tuple[int, ...]:
    """The values that the network's outputs write into the label map."""
    classes, regions = package.folds[0].classes, package.recipe.regions
    if regions and len(regions) != len(classes):
        raise ValueError(f"recipe.regions: expected one value for each of {len(classes)} classes")
    return regions or tuple(range(1, len(classes)))


def check_recipe(recipe: Recipe, dimensions: int) -> None:
    """Raises ValueError for what is no way to prepare an image."""
    if not is_orientation(recipe.orientation):
        raise ValueError(f"recipe.orientation: expected three directions such as LPS, got "
                         f"{recipe.orientation!r}")
    if sorted(recipe.transpose) != [0, 1, 2]:
        raise ValueError(f"recipe.transpose: expected an order of 0, 1, 2, got {recipe.transpose}")
    if not 0 < recipe.step <= 1:
        raise ValueError(f"recipe.step: expected more than 0 and at most 1, got {recipe.step}")
    if recipe.averaged not in AVERAGED:
        raise ValueError(f"recipe.averaged: expected one of {AVERAGED}, got {recipe.averaged!r}")
    if set(recipe.mirror_axes) - set(range(dimensions)):
        raise ValueError(f"recipe.mirror_axes: expected axes of {dimensions}, got {recipe.mirror_axes}")
    for way in (recipe.image, recipe.output):
        if way.separate not in SEPARATE or not 0 <= way.order <= 5 or not 0 <= way.order_across <= 5:
            raise ValueError(f"recipe: expected orders of 0..5 and separate of {SEPARATE}, got {way}")
