"""The package.toml of networks that were trained on a data set, with the fracture network that all share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomlkit

from operators.importing.install import ACCEPTS, compact
from operators.importing.shared_fracture import VALUES_OF_A_BONE, SharedFracture
from operators.package_files.package_reader import package_of
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.packages.confidence import LIKELY
from operators.packages.structures import read_structures
from training.labelled_ct.case_facts import MeasuredCase
from training.labelled_ct.classes import structure_of
from training.recipe import NetworkRecipe, Recipe

# A scan may show a part of a bone: less than the least of the data by half, but no noise
PART, LEAST_ML = 0.5, 0.1


def package_tables(
    name: str,
    title: str,
    recipe: Recipe,
    cases: Sequence[MeasuredCase],
    fracture: SharedFracture,
    sha256: Mapping[str, str],
) -> dict[str, Any]:
    """Returns the content of package.toml; `sha256` are those of the weights of coarse and fine."""
    return {
        "kind": CoarseToFinePackage.kind,
        "name": name,
        "version": "1",
        "title": title,
        "algorithm_name": f"Osteon {title}"[:64],
        "accepts": {**ACCEPTS, "minimum_probability": LIKELY},
        "networks": {
            **{each: network_row(recipe.networks[each], sha256[each]) for each in sha256},
            "fracture": {**fracture.tables["networks"]["fracture"], "weights": str(fracture.weights)},
        },
        # Bones of a scan may lie apart
        "find": {"keep": "all"},
        **fracture.rules,
        "labels": list(label_rows(recipe, cases)),
    }


def network_row(network: NetworkRecipe, sha256: str) -> dict[str, Any]:
    """Returns the table of one network."""
    return {
        "architecture": network.architecture,
        "arguments": {
            "dimensions": 3,
            "inputs": 1 + len(network.guide),
            "outputs": len(network.classes),
            "filters": list(network.filters),
        },
        "weights": f"{network.name}.safetensors",
        "sha256": sha256,
        "spacing_mm": [network.spacing_mm] * 3,
        "patch": list(network.patch),
        "window_hu": list(network.window_hu),
        "classes": list(network.classes),
        **({"guide": list(network.guide)} if network.guide else {}),
    }


def label_rows(recipe: Recipe, cases: Sequence[MeasuredCase]) -> list[dict[str, Any]]:
    """Returns the labels: for each class its structure, and values for its fragments."""
    most = max((count for case in cases for count in case.fragments.values()), default=1)
    span = max(VALUES_OF_A_BONE, most)
    return [label_row(name, 1 + span * at, span, cases) for at, name in enumerate(recipe.sources.classes)]


def label_row(name: str, first: int, span: int, cases: Sequence[MeasuredCase]) -> dict[str, Any]:
    """Returns the label of one class. The networks tell sides where the data set does."""
    structure, side = structure_of(name)
    least = min((case.ml[name] for case in cases if name in case.ml), default=0.0)
    return {
        "structure": structure,
        **({"side": side} if side else {}),
        "first_value": first,
        "last_value": first + span - 1,
        "coarse_class": name,
        "fine_class": name,
        "minimum_ml": round(max(PART * least, LEAST_ML), 2),
        "instances": "by_class",
    }


def built(tables: Mapping[str, Any], folder: Path, models: Path) -> CoarseToFinePackage:
    """Returns the package of tables whose weights are in a folder; structures are those of `models`."""
    package = package_of(tables, folder, read_structures(models))
    assert isinstance(package, CoarseToFinePackage)
    return package


def text_of(tables: Mapping[str, Any]) -> str:
    """Returns the text of package.toml."""
    return tomlkit.dumps({key: compact(value) for key, value in tables.items()})
