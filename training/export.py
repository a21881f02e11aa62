"""Trains a network and installs its weights: safetensors, half precision, SHA-256 in package.toml, report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit
import torch
from safetensors.torch import save
from tomlkit.items import Comment, Whitespace

from operators.dicom.elements.atomic_file import write_whole
from operators.errors import ModelError, UsageError
from operators.networks.architectures.architecture_table import build
from operators.networks.weights import fill
from operators.package_files.package_reader import PACKAGE_FILE, read_package
from operators.packages.packages import NetworkSpec
from training.files import write_text
from training.loop.checkpoints import Weights, best_weights, read
from training.loop.report import carry_history, report_file, write_report
from training.loop.runs import TrainingRun
from training.loop.trainer import train
from training.progress import Tell, silent


@dataclass(frozen=True)
class InstalledNetwork:
    """Checksum of the installed weights, and path of their report."""

    sha256: str
    report: Path


def train_and_install(run: TrainingRun, package_folder: Path, tell: Tell = silent) -> InstalledNetwork:
    """Trains a network and installs its weights.

    Raises ModelError or UsageError before the first step if the package cannot take the network.
    """
    weights = weights_file(package_folder, run.network.name)
    carry_history(run)
    checkpoint = train(run, tell)
    sha256 = export(checkpoint, package_folder, run.network.name)
    write_report(run, weights, sha256, read(checkpoint, torch.device("cpu"))["progress"])
    return InstalledNetwork(sha256, report_file(weights))


def export(checkpoint: Path, package_folder: Path, network: str) -> str:
    """Writes the best averaged weights of `checkpoint` where the package expects them; returns the SHA-256.

    The package takes over the checkpoint's arguments, as a network trained on a GPU may be larger.
    Raises ModelError if the checkpoint is of another network than the package's. A folder of networks that
    packages share has no package file: each of these states the SHA-256 itself.
    """
    kept = read(checkpoint, torch.device("cpu"))
    if not (package_folder / PACKAGE_FILE).exists():
        return write_half_precision(best_weights(kept), weights_file(package_folder, network))
    spec = network_spec(package_folder, network)
    trained = json.loads(kept["network"])
    require_same_network(trained, spec)
    arguments = {**spec.arguments, "filters": trained["filters"]}
    weights = best_weights(kept)
    require_fitting(weights, spec, arguments)
    sha256 = write_half_precision(weights, spec.weights)
    package_file, table = package_folder / PACKAGE_FILE, f"networks.{network}"
    if arguments != spec.arguments:
        set_value(package_file, table, "arguments", inline_table(arguments))
    set_value(package_file, table, "sha256", sha256)
    return sha256


def write_half_precision(tensors: Mapping[str, torch.Tensor], path: Path) -> str:
    """Writes tensors as safetensors, fractions in half precision; returns the SHA-256. Raises OutputError."""
    content = save({name: half(tensor) for name, tensor in tensors.items()})
    write_whole(path, lambda file: file.write(content))
    return hashlib.sha256(content).hexdigest()


def half(tensor: torch.Tensor) -> torch.Tensor:
    """Returns the tensor in half precision if it holds fractions, contiguous and on the CPU."""
    return (tensor.detach().half() if tensor.is_floating_point() else tensor).cpu().contiguous()


def inline_table(values: Mapping[str, object]) -> tomlkit.items.InlineTable:
    """Returns an inline TOML table."""
    made = tomlkit.inline_table()
    made.update(values)
    return made


def network_spec(package_folder: Path, network: str) -> NetworkSpec:
    """Returns the package's network of that name. Raises UsageError if there is none."""
    specs = {spec.name: spec for spec in read_package(package_folder / PACKAGE_FILE).networks}
    if network not in specs:
        raise UsageError(f"expected one of the networks {', '.join(specs)}, got {network!r}")
    return specs[network]


def weights_file(folder: Path, network: str) -> Path:
    """Returns where the weights of a network belong. Raises UsageError if a package has no such network."""
    if (folder / PACKAGE_FILE).exists():
        return network_spec(folder, network).weights
    return folder / f"{network}.safetensors"


def require_same_network(trained: dict[str, Any], spec: NetworkSpec) -> None:
    """Raises ModelError if the network was trained with other classes, spacing or window."""
    for what, expected, got in (
        ("architecture", spec.architecture, trained["architecture"]),
        ("classes", list(spec.classes), trained["classes"]),
        ("guide", list(spec.guide), trained.get("guide", [])),
        ("window_hu", list(spec.window_hu), trained["window_hu"]),
        ("spacing_mm", list(spec.spacing_mm), [trained["spacing_mm"]] * spec.dimensions),
    ):
        if expected != got:
            raise ModelError(f"networks.{spec.name}: expected {what} {expected}, got a training with {got}")


def require_fitting(weights: Weights, spec: NetworkSpec, arguments: dict[str, Any]) -> None:
    """Raises ModelError if the weights do not fit the network that the package would build."""
    try:
        fill(build(spec.architecture, **arguments), weights)
    except RuntimeError as error:
        raise ModelError(
            f"networks.{spec.name}: expected the weights of {spec.architecture} {arguments}, got others",
            code="weights_do_not_fit",
        ) from error


def set_table(package_file: Path, table: str, values: Mapping[str, object]) -> None:
    """Replaces a [table], or appends it; leaves the rest of the file as it is."""
    document = tomlkit.parse(package_file.read_bytes().decode())
    if table not in document:
        document.append(table, tomlkit.table())
    own: Any = document[table]
    for key in list(own):
        del own[key]
    # The remaining items are comments, which belong to the table below
    comments = [item for _, item in own.value.body if isinstance(item, (Comment, Whitespace))]
    own.value.body.clear()
    own.update(values)
    for item in comments:
        own.add(item)
    write_document(package_file, document)


def set_value(package_file: Path, table: str, key: str, value: object) -> None:
    """Sets the value of an existing key of [table]; leaves the rest as it is. Raises ModelError."""
    document = tomlkit.parse(package_file.read_bytes().decode())
    own: Any = document
    for name in table.split("."):
        own = own.get(name, {})
    if key not in own:
        raise ModelError(f"expected a line {key} = ... under [{table}] in {package_file.name}")
    own[key] = value
    write_document(package_file, document)


def write_document(package_file: Path, document: tomlkit.TOMLDocument) -> None:
    """Writes the file atomically, with its line endings."""
    text = tomlkit.dumps(document)
    if "\r\n" in text:
        text = text.replace("\r\n", "\n").replace("\n", "\r\n")
    write_text(package_file, text)
