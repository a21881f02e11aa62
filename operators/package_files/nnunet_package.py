"""Reads a package whose network's classes are its labels: [network], [[folds]], [recipe], [[labels]].

[[largest]] is its post-processing. The stage before it, if there is one, stands in [previous.network],
[[previous.folds]], [previous.recipe]; a network that splits its bones in [fracture], [fracture.network], ...
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from operators.errors import ModelError
from operators.geometry.largest_component import Largest
from operators.package_files.package_parts import (
    check_network,
    check_values,
    label_of,
    network_of,
    plain,
    plain_package,
    quality_of,
    tuples,
)
from operators.package_files.stage_check import check_stage
from operators.packages.packages import Acceptance, Label
from operators.packages.plans import (
    ArrangedPackage,
    Arrangement,
    DirectPackage,
    Origin,
    Recipe,
    Resampling,
    Stage,
)

# The tables of a stage
STAGE = ("network", "folds", "recipe", "largest", "previous")


def direct_package_of(table: dict[str, Any], folder: Path) -> DirectPackage:
    """The package that a parsed package.toml describes.

    Raises KeyError, TypeError or ValueError for what does not fit, ModelError where a code is not
    filled in yet.
    """
    require_codes(table["labels"], folder)
    made = DirectPackage(**common_parts(table, folder), labels=tuple(map(direct_label, table["labels"])))
    package = plain_package(made)
    check(package)
    return package


def arranged_package_of(table: dict[str, Any], folder: Path) -> ArrangedPackage:
    """Reads a package with a second network that splits the bones."""
    require_codes(table["labels"], folder)
    fracture, rows = table["fracture"], table["labels"]
    rules = {key: value for key, value in fracture.items() if key not in STAGE}
    made = ArrangedPackage(
        **common_parts(table, folder), labels=tuple(map(arranged_label, rows)),
        bones=tuple(row["value"] for row in rows), fracture=stages_of(fracture, folder),
        arrangement=plain(Arrangement(**tuples(rules)), "fracture"),
    )
    package = plain_package(made)
    check(package)
    check_arrangement(package)
    return package


def common_parts(table: dict[str, Any], folder: Path) -> dict[str, Any]:
    """All parts of a DirectPackage but its labels."""
    tables = {"accepts", "labels", "origin", "quality", "fracture", *STAGE}
    return {
        "folder": folder,
        "accepts": plain(Acceptance(**tuples(table["accepts"])), "accepts"),
        "stages": stages_of(table, folder),
        "quality": quality_of(table),
        "origin": plain(Origin(**tuples(table["origin"])), "origin"),
        **{key: value for key, value in table.items() if key not in tables},
    }


def stages_of(table: dict[str, Any], folder: Path) -> tuple[Stage, ...]:
    """The stages in the order in which they run. Raises ValueError where one does not fit."""
    stages: list[Stage] = []
    for row in (*([table["previous"]] if "previous" in table else []), table):
        stages.append(stage_of(row, folder, stages[-1] if stages else None))
    return (*map(with_the_originals_sums, stages[:-1]), stages[-1])


def with_the_originals_sums(stage: Stage) -> Stage:
    """A stage whose labels another network reads: one label that differs changes many of the next stage."""
    return replace(stage, folds=tuple(replace(spec, runtime="torch") for spec in stage.folds))


def stage_of(row: dict[str, Any], folder: Path, before: Stage | None) -> Stage:
    """One stage; what [network] says holds for all of its folds."""
    folds = tuple(network_of(fold["name"], row["network"] | files_of(fold), folder) for fold in row["folds"])
    if not folds:
        raise ValueError("expected at least one fold")
    for spec in folds:
        check_network(spec)
    largest = tuple(plain(Largest(**tuples(rule)), "largest") for rule in row.get("largest", ()))
    stage = Stage(folds, recipe_of(row["recipe"]), largest=largest)
    check_stage(stage)
    return replace(stage, guide_values=guide_values_of(stage, before))


def guide_values_of(stage: Stage, before: Stage | None) -> tuple[int, ...]:
    """Returns the label values of the previous stage's classes that this stage reads. Raises ValueError."""
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
    return delivered_label(row, row["value"], row["value"])


def arranged_label(row: dict[str, Any]) -> Label:
    """Reads a label with the first and the last value of the bone's fragments; equal ones leave it whole."""
    first, last = row["fragments"]
    return delivered_label({key: entry for key, entry in row.items() if key != "fragments"}, first, last)


def delivered_label(row: dict[str, Any], first: int, last: int) -> Label:
    """One [[labels]] table, which is delivered as these values."""
    named = {key: entry for key, entry in row.items() if key != "value"}
    values = {"first_value": first, "last_value": last, "minimum_ml": 0.0}
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
    for label, value in zip(package.labels, package.written, strict=True):
        if value not in written:
            raise ValueError(f"labels.{label.name}.value: expected one that the network writes, got {value}")


def check_arrangement(package: ArrangedPackage) -> None:
    """Raises ValueError where the bones and the network that splits them do not fit each other."""
    if len(set(package.bones)) < len(package.bones):
        raise ValueError(f"labels: expected a value of its own for each bone, got {package.bones}")
    known = package.fracture[-1].values
    if set(package.arrangement.pieces) - set(known):
        raise ValueError(f"fracture.pieces: expected some of {list(known)}, got {package.arrangement.pieces}")
