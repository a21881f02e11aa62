"""Turns a checkpoint into a package's weights: safetensors, half precision, SHA-256 in package.toml."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from operators.dicom.elements.atomic_file import write_whole
from operators.errors import ModelError, UsageError
from operators.networks.architectures.architecture_table import build
from operators.networks.weights import fill
from operators.package_files.package_reader import PACKAGE_FILE, read_package
from operators.packages.packages import NetworkSpec
from training.loop.checkpoints import Weights, best_weights, read


def export(checkpoint: Path, package_folder: Path, network: str) -> str:
    """Writes the best averaged weights of `checkpoint` where the package expects them; returns the SHA-256.

    The package's arguments follow the checkpoint, which may be of a larger network for a GPU.
    Raises ModelError where the checkpoint is of another network than the package's.
    """
    spec = network_spec(package_folder, network)
    kept = read(checkpoint, torch.device("cpu"))
    trained = json.loads(kept["network"])
    require_same_network(trained, spec)
    arguments = {**spec.arguments, "filters": trained["filters"]}
    weights = best_weights(kept)
    require_fitting(weights, spec, arguments)
    content = save({name: tensor.half().contiguous() for name, tensor in weights.items()})
    write_whole(spec.weights, lambda file: file.write(content))
    sha256 = hashlib.sha256(content).hexdigest()
    package_file, table = package_folder / PACKAGE_FILE, f"networks.{network}"
    if arguments != spec.arguments:
        set_value(package_file, table, "arguments", inline_table(arguments))
    set_value(package_file, table, "sha256", f'"{sha256}"')
    return sha256


def inline_table(values: Mapping[str, object]) -> str:
    """TOML text of numbers and lists of numbers."""
    return "{ " + ", ".join(f"{key} = {value}" for key, value in values.items()) + " }"


def network_spec(package_folder: Path, network: str) -> NetworkSpec:
    """The package's network of that name. Raises UsageError."""
    specs = {spec.name: spec for spec in read_package(package_folder / PACKAGE_FILE).networks}
    if network not in specs:
        raise UsageError(f"expected one of the networks {', '.join(specs)}, got {network!r}")
    return specs[network]


def require_same_network(trained: dict[str, Any], spec: NetworkSpec) -> None:
    """Raises ModelError where the weights would be read with other classes, spacing or window."""
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
    """Raises ModelError where the weights are not those of the network that the package would build."""
    try:
        fill(build(spec.architecture, **arguments), weights)
    except RuntimeError as error:
        raise ModelError(
            f"networks.{spec.name}: expected the weights of {spec.architecture} {arguments}, got others",
            code="weights_do_not_fit",
        ) from error


def set_table(package_file: Path, table: str, values: dict[str, str]) -> None:
    """Puts a [table] of TOML texts in the place of the one that is there, or at the end."""
    lines = package_file.read_bytes().decode().splitlines(keepends=True)
    heads = [number for number, line in enumerate(lines) if line.startswith("[")]
    start = next((n for n in heads if lines[n].split("#")[0].strip() == f"[{table}]"), len(lines))
    stop = next((n for n in heads if n > start), len(lines))
    # Comments above the next table are that table's
    while stop > start and not lines[stop - 1].split("#")[0].strip():
        stop -= 1
    ending = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    made = [f"[{table}]{ending}", *(f"{key} = {value}{ending}" for key, value in values.items())]
    gap = [ending] if start == len(lines) else []
    text = "".join([*lines[:start], *gap, *made, *lines[stop:]])
    write_whole(package_file, lambda file: file.write(text.encode()))


def set_value(package_file: Path, table: str, key: str, value: str) -> None:
    """Puts TOML text for a key that stands in [table]; nothing else of the file changes."""
    lines = package_file.read_bytes().decode().splitlines(keepends=True)
    within = ""
    for number, line in enumerate(lines):
        within = line.split("#")[0].strip() if line.startswith("[") else within
        if within == f"[{table}]" and line.split("=")[0].strip() == key:
            ending = line[len(line.rstrip("\r\n")) :]
            lines[number] = f"{key} = {value}{ending}"
            write_whole(package_file, lambda file: file.write("".join(lines).encode()))
            return
    raise ModelError(f"expected a line {key} = ... under [{table}] in {package_file.name}")
