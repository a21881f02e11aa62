"""A package.toml for bones in a row names what outlines them one by one and what tells their levels."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from operators.package_files.package_reader import package_of, read_coarse_to_fine_package
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.packages.structures import read_structures
from training.recipe import read_recipe

MODELS = Path(__file__).parents[4] / "models"
NAMES = ("vertebra_T12", "vertebra_L1", "vertebra")


def table() -> dict[str, Any]:
    """The package of another anatomy, changed to one of a row of bones."""
    made = tomllib.loads((MODELS / "pelvis" / "package.toml").read_text(encoding="utf-8"))
    network = dict(made["networks"]["coarse"])
    made["networks"]["instance"] = {
        **network,
        "arguments": {"dimensions": 3, "inputs": 2, "outputs": 3, "filters": [8, 16]},
        "spacing_mm": [1.2, 1.2, 1.2],
        "classes": ["background", "whole", "partial"],
        "guide": ["memory"],
    }
    made["networks"]["level"] = {
        **network,
        "architecture": "level_reader",
        "arguments": {"dimensions": 3, "inputs": 2, "outputs": 5, "filters": [8, 16]},
        "classes": ["background", "vertebra_T12", "vertebra_L1", "region_0", "ribs"],
        "guide": ["outline"],
    }
    made["iterative"] = {"minimum_ml": 4.0, "minimum_partial_ml": 0.5}
    made["names"] = "vertebral_levels"
    made["levels"] = {
        "unnamed": "vertebra",
        "regions": [
            {"levels": ["vertebra_T12"], "ends": [1.0], "ribs": 0.98},
            {"levels": ["vertebra_L1"], "ends": [1.0], "ribs": 0.02},
        ],
    }
    made["labels"] = [
        {
            "structure": name,
            "first_value": 10 * n + 1,
            "last_value": 10 * n + 10,
            "coarse_class": "vertebra",
            "fine_class": "vertebra",
            "minimum_ml": 1.0,
            "instances": "iterative",
        }
        for n, name in enumerate(NAMES)
    ]
    return made


def read(made: dict[str, Any]) -> CoarseToFinePackage:
    package = package_of(made, MODELS / "pelvis", read_structures())
    assert isinstance(package, CoarseToFinePackage)
    return package


def test_a_package_names_the_network_its_patch_and_its_rules() -> None:
    package = read(table())
    assert package.instance is not None
    assert (package.instance.spacing_mm, package.instance.guide) == ((1.2, 1.2, 1.2), ("memory",))
    assert package.iterative is not None
    assert package.iterative.minimum_ml == 4.0
    assert package.levels is not None
    assert package.levels.levels == ("vertebra_T12", "vertebra_L1")
    assert [spec.name for spec in package.networks] == ["coarse", "fine", "instance", "level", "fracture"]


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        (("networks", "instance"), None, "iterative: expected"),
        (("iterative",), None, "iterative: expected"),
        (("networks", "instance", "classes"), ["background", "bone", "other"], "networks.instance"),
        (("networks", "level"), None, "levels: expected"),
        (("levels",), None, "levels: expected"),
        (("levels", "unnamed"), "bone", "levels: expected structures"),
        (("levels", "least_probability"), 2.0, "least_probability"),
        (("iterative", "doubled"), 3.0, "doubled"),
        (("iterative", "ends_at"), "nothing", "iterative: expected classes"),
        (("iterative", "neighbours"), ["nothing"], "iterative: expected classes"),
    ],
)
def test_what_does_not_fit_is_refused(keys: tuple[str, ...], value: Any, said: str) -> None:
    made = table()
    place = made
    for key in keys[:-1]:
        place = place[key]
    if value is None:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    with pytest.raises(ValueError, match=said):
        read(made)


def test_the_package_of_the_spine_takes_what_its_recipe_trains() -> None:
    package = read_coarse_to_fine_package(MODELS / "spine" / "package.toml")
    recipe = read_recipe(MODELS / "spine" / "training.toml")
    for spec in (package.instance, package.level):
        assert spec is not None
        trained = recipe.networks[spec.name]
        assert spec.classes == trained.classes
        assert (spec.patch, spec.guide, spec.window_hu) == (trained.patch, trained.guide, trained.window_hu)
        assert spec.spacing_mm == (trained.spacing_mm,) * 3
        assert (spec.architecture, spec.arguments["filters"]) == (trained.architecture, list(trained.filters))
    assert package.levels is not None
    regions = [len(region.levels) for region in package.levels.regions]
    assert regions == [region.levels for region in recipe.networks["level"].row.regions]
