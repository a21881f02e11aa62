"""Installs trained networks in a radiograph package: weight files, checksums, and a newly fitted decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tomlkit
import torch
from numpy.typing import NDArray
from tomlkit.items import AoT
from torch import nn

from operators.errors import UsageError
from operators.networks.architectures.radiograph_network import Output, RadiographReader
from operators.networks.registry import Networks
from operators.networks.runtimes import Device
from operators.package_files.package_reader import PACKAGE_FILE, read_package
from operators.packages.radiograph import RadiographDecision, RadiographPackage
from operators.radiographs.canvas import on_canvas
from training.export import write_document, write_half_precision
from training.files import write_json
from training.loop.report import report_file
from training.progress import VALIDATE, Tell
from training.radiograph.datasets.radiograph import ATTRIBUTES, ORIENTATION, RECOGNISED, Radiograph
from training.radiograph.fitting import answer_all, fit_decision, projection_of
from training.radiograph.loop.networks import Weights
from training.radiograph.loop.schedule import NetworkSize, RadiographRecipe

# The default if there is no package.toml with another
WEIGHTS_FILE = "network.safetensors"
BATCH = 8
# Shrinkage of the covariance towards the mean variance: with few images its inverse would be unstable
SHRINKAGE = 0.01


@dataclass(frozen=True, eq=False)
class Trained:
    """The weights of one network or several folds, their recipe, training images, and held-out images."""

    folds: Sequence[Weights]
    recipe: RadiographRecipe
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
        write_json(report_file(path), {"sha256": sha256, **facts})
    return tuple(files.values())


def install_package(folder: Path, trained: Trained, device: Device, tell: Tell) -> RadiographPackage:
    """Replaces the networks and the decision of the folder's package, with a fold for each of the weights.

    The decision is fitted on the held-out images, as a run reads them. Raises UsageError for a recipe without
    a segmentation network, or for too few images.
    """
    size = trained.recipe.size
    if size is None:
        raise UsageError("expected a recipe of a segmentation network, got that of a classifier")
    path = folder / PACKAGE_FILE
    table = tomlkit.parse(path.read_text(encoding="utf-8"))
    table["folds"] = write_folds(folder, trained, size)
    names = list(table["attributes"])
    if len(names) == len(ATTRIBUTES):  # of a package from before networks recognised an image's orientation
        table["attributes"] = [*names, *ORIENTATION]
    own: Any = table["network"]
    own["arguments"] = {name: list(value) for name, value in asdict(size).items()}
    own["arguments"]["attributes"] = len(RECOGNISED)
    own["canvas"] = list(trained.recipe.canvas)
    write_document(path, table)
    package = package_in(folder)
    answered = answer_all(
        package,
        Networks(device),
        trained.held_out,
        lambda done: tell(VALIDATE, done, "decision on images held out"),
    )
    fitted_on = f"{len(trained.held_out)} images that training did not see"
    set_decision(table, fit_decision(package.decision, answered, fitted_on))
    write_document(path, table)
    return package_in(folder)


def write_folds(folder: Path, trained: Trained, size: NetworkSize) -> AoT:
    """Writes the weights of each fold in half precision; returns the tables that list them."""
    rows = tomlkit.aot()
    for number, weights in enumerate(trained.folds, 1):
        name = "fracture" if len(trained.folds) == 1 else f"fracture_{number}"
        reader = reader_of(weights, size, trained.training, trained.recipe.canvas)
        sha256 = write_half_precision(reader.state_dict(), folder / f"{name}.safetensors")
        rows.append(tomlkit.item({"name": name, "weights": f"{name}.safetensors", "sha256": sha256}))
    return rows


def package_in(folder: Path) -> RadiographPackage:
    """Returns the radiograph package of a folder. Raises ModelError, ValueError for another kind."""
    package = read_package(folder / PACKAGE_FILE)
    if not isinstance(package, RadiographPackage):
        raise ValueError(f"expected a package of radiographs in {folder.name}, got kind {package.kind}")
    return package


def set_decision(table: tomlkit.TOMLDocument, decision: RadiographDecision) -> None:
    """Replaces the fitted numbers in the file and keeps its comments."""
    own: Any = table["decision"]
    for name, value in asdict(decision).items():
        if isinstance(value, dict):
            own[name].update(value)
        else:
            own[name] = list(value) if isinstance(value, tuple) else value


def reader_of(
    weights: Weights, size: NetworkSize, images: Sequence[Radiograph], canvas: tuple[int, int]
) -> RadiographReader:
    """Returns the network with its weights, and its features' mean and whitening on `images`."""
    reader = RadiographReader(size.channels, size.blocks, len(RECOGNISED))
    reader.network.load_state_dict(weights)
    mean, whitening = whitened(features(reader.network.eval(), images, canvas))
    reader.mean.copy_(torch.from_numpy(mean))
    reader.whitening.copy_(torch.from_numpy(whitening))
    return reader.eval()


def features(
    network: nn.Module, images: Sequence[Radiograph], canvas: tuple[int, int]
) -> NDArray[np.float32]:
    """Returns the spatial means of each image's deepest features, (N, F)."""
    found = []
    for start in range(0, len(images), BATCH):
        part = [on_canvas(projection_of(each).grey, canvas).grey for each in images[start : start + BATCH]]
        with torch.inference_mode():
            output: Output = network(torch.from_numpy(np.stack(part))[:, None])
        found.append(output.features.float().numpy())
    return np.concatenate(found)


def whitened(found: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns features' (N, F) mean (F,), and the matrix (F, F) that whitens their deviations."""
    mean = found.mean(0)
    covariance = np.cov((found - mean).T.astype(np.float64))
    spread = np.trace(covariance) / len(covariance)
    covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * spread * np.eye(len(covariance))
    values, vectors = np.linalg.eigh(covariance)
    return mean, (vectors / np.sqrt(values)).astype(np.float32)
