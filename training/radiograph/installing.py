"""Installs trained weights in a radiograph package: network file, checksum, and the decision fitted anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import tomlkit

from operators.dicom.elements.atomic_file import write_whole
from operators.networks.registry import Networks
from operators.networks.runtimes import Device
from operators.package_files.package_reader import PACKAGE_FILE, read_package
from operators.packages.radiograph import RadiographDecision, RadiographPackage
from training.radiograph.dataset import Radiograph
from training.radiograph.fitting import Tell, answer_all, fit_decision
from training.radiograph.packaging import reader_of, write_reader
from training.radiograph.recipe import Recipe
from training.radiograph.trainer import Weights


def install(
    folder: Path,
    folds: Sequence[Weights],
    recipe: Recipe,
    training: Sequence[Radiograph],
    held_out: Sequence[Radiograph],
    device: Device,
    tell: Tell,
) -> RadiographPackage:
    """Writes the weights of each fold beside package.toml, and into it the decision fitted on `held_out`.

    The package has as many folds as weights afterwards. Raises ValueError for a recipe without a network of
    outlines, OutputError.
    """
    if recipe.size is None:
        raise ValueError("expected a recipe of the network that outlines fractures, got a classifier's")
    table = tomlkit.parse((folder / PACKAGE_FILE).read_text(encoding="utf-8"))
    rows = tomlkit.aot()
    for number, weights in enumerate(folds, 1):
        name = "fracture" if len(folds) == 1 else f"fracture_{number}"
        reader = reader_of(weights, recipe.size, training, recipe.canvas)
        sha256 = write_reader(reader, folder / f"{name}.safetensors")
        rows.append(tomlkit.item({"name": name, "weights": f"{name}.safetensors", "sha256": sha256}))
    table["folds"] = rows
    save(table, folder)
    package = package_in(folder)
    answered = answer_all(package, Networks(device), held_out, tell)
    fitted_on = f"{len(held_out)} images that training did not see"
    write_decision(table, fit_decision(package.decision, answered, fitted_on))
    save(table, folder)
    return package_in(folder)


def package_in(folder: Path) -> RadiographPackage:
    """The radiograph package of a folder. Raises ModelError, ValueError for another kind."""
    package = read_package(folder / PACKAGE_FILE)
    if not isinstance(package, RadiographPackage):
        raise ValueError(f"expected a package of radiographs in {folder.name}, got kind {package.kind}")
    return package


def write_decision(table: tomlkit.TOMLDocument, decision: RadiographDecision) -> None:
    """Puts the fitted numbers where they stand in the file, its comments kept."""
    own = table["decision"]
    assert isinstance(own, tomlkit.items.Table)
    for name, value in asdict(decision).items():
        if isinstance(value, dict):
            for key, threshold in value.items():
                own[name][key] = threshold
        else:
            own[name] = list(value) if isinstance(value, tuple) else value


def save(table: tomlkit.TOMLDocument, folder: Path) -> None:
    """Writes package.toml, whole or not at all."""
    content = tomlkit.dumps(table).encode()
    write_whole(folder / PACKAGE_FILE, lambda file: file.write(content))
