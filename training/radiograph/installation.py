"""Installs trained networks in a radiograph package: weight files, checksums, and a newly fitted decision."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tomlkit

from operators.dicom.elements.atomic_file import write_whole
from operators.errors import UsageError
from operators.networks.registry import Networks
from operators.networks.runtimes import Device
from operators.package_files.package_reader import PACKAGE_FILE, read_package
from operators.packages.radiograph import RadiographDecision, RadiographPackage
from training.export import write_half_precision
from training.radiograph.dataset import ATTRIBUTES, Radiograph
from training.radiograph.fitting import Tell, answer_all, fit_decision
from training.radiograph.packaging import reader_of
from training.radiograph.recipe import NetworkSize, Recipe
from training.radiograph.trainer import Weights

# The default if there is no package.toml with another
WEIGHTS_FILE = "network.safetensors"


@dataclass(frozen=True, eq=False)
class Trained:
    """The weights of one network or several folds, their recipe, training images, and held-out images."""

    folds: Sequence[Weights]
    recipe: Recipe
    training: Sequence[Radiograph]
    held_out: Sequence[Radiograph]


def install(
    folder: Path, trained: Trained, facts: Mapping[str, Any], device: Device, tell: Tell
) -> tuple[str, ...]:
    """Writes the weights, and `facts` beside them; returns the SHA-256 of each network's file.

    If the folder has a package.toml, its networks and its decision are replaced. Raises OutputError, and
    UsageError for too few images to fit a decision on.
    """
    if (folder / PACKAGE_FILE).is_file():
        package = install_package(folder, trained, device, tell)
        files = {spec.weights: spec.sha256 for spec in package.folds}
    else:
        path = folder / WEIGHTS_FILE
        files = {path: write_half_precision(trained.folds[0], path)}
    for path, sha256 in files.items():
        write_report(path.with_suffix(".training.json"), {"sha256": sha256, **facts})
    return tuple(files.values())


def write_report(path: Path, content: Mapping[str, Any]) -> None:
    """Writes the training report of a network."""
    text = json.dumps(content, indent=1).encode()
    write_whole(path, lambda file: file.write(text))


def install_package(folder: Path, trained: Trained, device: Device, tell: Tell) -> RadiographPackage:
    """Replaces the networks and the decision of the folder's package, with a fold for each of the weights.

    The decision is fitted on the held-out images, as a run reads them. Raises UsageError for a recipe without
    a segmentation network, or for too few images.
    """
    recipe = trained.recipe
    if recipe.size is None:
        raise UsageError("expected a recipe of a segmentation network, got that of a classifier")
    table = tomlkit.parse((folder / PACKAGE_FILE).read_text(encoding="utf-8"))
    rows = tomlkit.aot()
    for number, weights in enumerate(trained.folds, 1):
        name = "fracture" if len(trained.folds) == 1 else f"fracture_{number}"
        reader = reader_of(weights, recipe.size, trained.training, recipe.canvas)
        sha256 = write_half_precision(reader.state_dict(), folder / f"{name}.safetensors")
        rows.append(tomlkit.item({"name": name, "weights": f"{name}.safetensors", "sha256": sha256}))
    table["folds"] = rows
    table["network"]["arguments"] = arguments_of(recipe.size)
    table["network"]["canvas"] = list(recipe.canvas)
    save_table(table, folder)
    package = package_in(folder)
    answered = answer_all(package, Networks(device), trained.held_out, tell)
    fitted_on = f"{len(trained.held_out)} images that training did not see"
    write_decision(table, fit_decision(package.decision, answered, fitted_on))
    save_table(table, folder)
    return package_in(folder)


def arguments_of(size: NetworkSize) -> dict[str, Any]:
    """The arguments of the architecture for package.toml."""
    return {"channels": list(size.channels), "blocks": list(size.blocks), "attributes": len(ATTRIBUTES)}


def package_in(folder: Path) -> RadiographPackage:
    """The radiograph package of a folder. Raises ModelError, ValueError for another kind."""
    package = read_package(folder / PACKAGE_FILE)
    if not isinstance(package, RadiographPackage):
        raise ValueError(f"expected a package of radiographs in {folder.name}, got kind {package.kind}")
    return package


def write_decision(table: tomlkit.TOMLDocument, decision: RadiographDecision) -> None:
    """Replaces the fitted numbers in the file and keeps its comments."""
    own = table["decision"]
    assert isinstance(own, tomlkit.items.Table)
    for name, value in asdict(decision).items():
        if isinstance(value, dict):
            for key, threshold in value.items():
                own[name][key] = threshold
        else:
            own[name] = list(value) if isinstance(value, tuple) else value


def save_table(table: tomlkit.TOMLDocument, folder: Path) -> None:
    """Writes package.toml, whole or not at all."""
    content = tomlkit.dumps(table).encode()
    write_whole(folder / PACKAGE_FILE, lambda file: file.write(content))
