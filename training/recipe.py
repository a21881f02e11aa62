"""A training recipe: what `models/<anatomy>/training.toml` says, as frozen values."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from operators.errors import ModelError, reason

SIDES = ("_left", "_right")
# What a network may have otherwise on a kind of device
DEVICE_TABLES = {"cuda": "gpu"}
OVERRIDABLE = ("patch", "filters", "batch", "steps", "learning_rate")


@dataclass(frozen=True)
class NetworkRecipe:
    """How one network is trained; `classes` names its output channels, background first.

    `scored` are the classes whose Dice decides which weights are best. `gpu` holds what is
    otherwise where there is a GPU: any of OVERRIDABLE.
    """

    name: str
    kind: str
    classes: tuple[str, ...]
    spacing_mm: float
    patch: tuple[int, ...]
    window_hu: tuple[float, float]
    architecture: str
    filters: tuple[int, ...]
    steps: int
    learning_rate: float
    scored: tuple[str, ...]
    batch: int = 1
    class_weights: tuple[float, ...] | None = None
    dice_of_absent: bool = False
    guide: tuple[str, ...] = ()
    anywhere: float = 0.1
    negatives: float = 0.0
    boneless: float = 0.0
    fractured_bones: float = 0.0
    phantom_bones: float = 0.0
    gpu: dict[str, Any] = field(default_factory=dict)

    def on(self, device: str) -> NetworkRecipe:
        """This network as it is trained on a kind of device, as torch names it."""
        table = DEVICE_TABLES.get(device)
        return replace(self, **getattr(self, table)) if table else self


@dataclass(frozen=True)
class ValidationRules:
    """How a training is watched.

    Every `every` steps the averaged weights read `patches` simulated patches that never change.
    After `patience` readings in a row without a better score the learning rate falls to its end
    within the share `fall` of the steps. `real` are bone sets that are read too and decide nothing.
    """

    patches: int
    every: int
    patience: int
    fall: float
    real: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Recipe:
    """Sources and networks of one anatomy; without `validation` the last averaged weights are taken."""

    sources: dict[str, Any]
    networks: dict[str, NetworkRecipe]
    validation: ValidationRules | None = None

    def class_patterns(self, network: NetworkRecipe) -> dict[str, list[str]]:
        """Class name to structure name patterns, left and right merged for a network blind to sides."""
        merged: dict[str, list[str]] = {name: [] for name in network.classes[1:]}
        for name, patterns in self.sources["classes"].items():
            merged[name if name in merged else without_side(name)].extend(patterns)
        return merged


def without_side(name: str) -> str:
    """`name` without its suffix for left or right."""
    for side in SIDES:
        name = name.removesuffix(side)
    return name


def read_recipe(path: Path) -> Recipe:
    """Reads a training.toml. Raises ModelError where it is not one."""
    try:
        return recipe_of(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"expected a training recipe in {path.parent.name}/{path.name}, could not read it: "
            f"{reason(error)}",
            code="recipe_unreadable",
        ) from error


def recipe_of(table: dict[str, Any]) -> Recipe:
    """Reads a parsed training.toml. Raises ValueError where a held-out case is used."""
    networks, watched = table.pop("networks").items(), table.pop("validation", None)
    require_held_out(table, watched or {})
    made = {name: network_recipe(name, row, table["classes"]) for name, row in networks}
    return Recipe(table, made, validation_rules(watched) if watched else None)


def require_held_out(table: dict[str, Any], watched: dict[str, Any]) -> None:
    """Raises ValueError where a held-out case is to be trained on or watched."""
    for where, rows in (("bone_sets", table["bone_sets"]), ("validation.real", watched.get("real", []))):
        used = {Path(row["folder"]).name for row in rows} & set(table.get("held_out", []))
        if used:
            raise ValueError(f"{where}: expected no held-out case, got {', '.join(sorted(used))}")


def validation_rules(row: dict[str, Any]) -> ValidationRules:
    """The [validation] table. Raises ValueError."""
    rules = ValidationRules(**{**row, "real": tuple(row.get("real", ()))})
    if min(rules.patches, rules.every, rules.patience) < 1 or not 0 < rules.fall <= 1:
        raise ValueError("validation: expected patches, every and patience of 1 or more and fall in 0..1")
    return rules


def network_recipe(name: str, row: dict[str, Any], classes: dict[str, list[str]]) -> NetworkRecipe:
    """One [networks.NAME] table. Raises ValueError."""
    sides = row.pop("sides", True)
    if row["kind"] == "fracture":
        names: tuple[str, ...] = ("background", "interior", "contact")
    else:
        names = ("background", *dict.fromkeys(c if sides else without_side(c) for c in classes))
    require_known(f"networks.{name}", row, [one.name for one in fields(NetworkRecipe)])
    require_known(f"networks.{name}.gpu", row.get("gpu", {}), OVERRIDABLE)
    row = {"scored": names[1:], **frozen(row), "gpu": frozen(row.get("gpu", {}))}
    network = NetworkRecipe(name=name, classes=names, **row)
    for problem in (*problems(network), *problems(network.on("cuda"))):
        raise ValueError(f"networks.{name}: expected {problem}")
    return network


def frozen(row: dict[str, Any]) -> dict[str, Any]:
    """A TOML table with its arrays as tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}


def require_known(where: str, row: dict[str, Any], known: tuple[str, ...] | list[str]) -> None:
    """Raises ValueError where a table has a key that means nothing."""
    unknown = [key for key in row if key not in known]
    if unknown:
        raise ValueError(f"{where}: expected none but {', '.join(known)}, got {', '.join(unknown)}")


def problems(network: NetworkRecipe) -> Iterator[str]:
    """Yields faults that would stop a training only after minutes."""
    step = 2 ** (len(network.filters) - 1)
    if any(side % step for side in network.patch):
        yield f"a patch in steps of {step} voxels for {len(network.filters)} levels, got {network.patch}"
    if min(network.steps, network.batch) < 1:
        yield f"steps and batch of 1 or more, got {network.steps} and {network.batch}"
    if not set(network.scored) <= set(network.classes):
        yield f"scored classes among {', '.join(network.classes)}, got {', '.join(network.scored)}"
    if network.class_weights and len(network.class_weights) != len(network.classes):
        yield f"{len(network.classes)} class_weights, got {len(network.class_weights)}"
