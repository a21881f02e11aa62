"""A training recipe: what `models/<anatomy>/training.toml` says, as frozen values."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from operators.errors import ModelError

SIDES = ("_left", "_right")


@dataclass(frozen=True)
class NetworkRecipe:
    """How one network is trained; `classes` names its output channels, background first."""

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
    class_weights: tuple[float, ...] | None = None
    dice_of_absent: bool = False
    guide: tuple[str, ...] = ()
    anywhere: float = 0.1
    negatives: float = 0.0
    boneless: float = 0.0
    fractured_bones: float = 0.0
    phantom_bones: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """Sources and networks of one anatomy."""

    sources: dict[str, Any]
    networks: dict[str, NetworkRecipe]

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
            f"{type(error).__name__} {error}",
            code="recipe_unreadable",
        ) from error


def recipe_of(table: dict[str, Any]) -> Recipe:
    """What a parsed training.toml describes."""
    networks = table.pop("networks").items()
    return Recipe(table, {name: network_recipe(name, row, table["classes"]) for name, row in networks})


def network_recipe(name: str, row: dict[str, Any], classes: dict[str, list[str]]) -> NetworkRecipe:
    """One [networks.NAME] table."""
    sides = row.pop("sides", True)
    if row["kind"] == "fracture":
        names: tuple[str, ...] = ("background", "interior", "contact")
    else:
        names = ("background", *dict.fromkeys(c if sides else without_side(c) for c in classes))
    row = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    return NetworkRecipe(name=name, classes=names, **row)
