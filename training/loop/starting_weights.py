"""The weights that a training starts from, fitted to another network's classes and conditioning channels."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from operators.package_files.package_reader import PACKAGE_FILE
from training.loop.checkpoints import Weights, best_weights, read
from training.loop.report import report_file
from training.recipe import NetworkRecipe

IMAGE = "image"
# What the names of the tensors of an ensemble's networks begin with; the first is the best one
MEMBER = "members.{}."


@dataclass(frozen=True)
class Channels:
    """The names of a network's input and output channels; empty where nobody knows them."""

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    @classmethod
    def of(cls, table: dict[str, Any]) -> Channels:
        """Returns the channels that `classes` and `guide` of a table name."""
        return cls((IMAGE, *table.get("guide", ())), tuple(table.get("classes", ())))


def starting_weights(path: Path, network: NetworkRecipe, fresh: Weights, device: torch.device) -> Weights:
    """Returns the weights of a checkpoint or a package for a network whose random weights are `fresh`.

    Tensors of the same shape are taken whole. Of tensors with another number of channels, those of the
    classes and conditioning channels that both networks have are taken; the others stay random.
    """
    known, start = channels_of(path, device), stored_weights(path, device)
    wanted = Channels((IMAGE, *network.guide), network.classes)
    return {
        name: fitted(start[name], tensor, known, wanted) for name, tensor in fresh.items() if name in start
    }


def stored_weights(path: Path, device: torch.device) -> Weights:
    """Returns the best averaged weights of a checkpoint, or a package's: of an ensemble, its best network."""
    if path.suffix == ".safetensors":
        weights: Weights = load_file(path, device=str(device))
        first = MEMBER.format(0)
        best = {name.removeprefix(first): weights[name] for name in weights if name.startswith(first)}
        return best or weights
    return best_weights(read(path, device))


def channels_of(path: Path, device: torch.device) -> Channels:
    """Returns the channels as a checkpoint, a training report or a package.toml beside the weights says."""
    if path.suffix != ".safetensors":
        return Channels.of(json.loads(read(path, device)["network"]))
    report, package = report_file(path), path.with_name(PACKAGE_FILE)
    told = json.loads(report.read_text(encoding="utf-8")) if report.exists() else {}
    if "classes" in told:
        return Channels.of(told)
    tables = tomllib.loads(package.read_text(encoding="utf-8"))["networks"] if package.exists() else {}
    return next((Channels.of(row) for row in tables.values() if row["weights"] == path.name), Channels())


def fitted(start: torch.Tensor, fresh: torch.Tensor, known: Channels, wanted: Channels) -> torch.Tensor:
    """Returns `start` in the shape of `fresh`, whose values stay where `start` has no such channel."""
    made = fresh.clone()
    if start.shape == fresh.shape:
        return made.copy_(start)
    rows = matching(start.shape[:1], fresh.shape[:1], known.outputs, wanted.outputs)
    columns = matching(start.shape[1:2], fresh.shape[1:2], known.inputs, wanted.inputs)
    if start.shape[2:] == fresh.shape[2:] and rows is not None and columns is not None:
        (rows_from, rows_to), (columns_from, columns_to) = rows, columns
        if start.dim() == 1:
            made[rows_to] = start[rows_from].to(made)
        else:
            made[rows_to[:, None], columns_to] = start[rows_from[:, None], columns_from].to(made)
    return made


def matching(
    start: Sequence[int], fresh: Sequence[int], known: Sequence[str], wanted: Sequence[str]
) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Returns the indices of the same channels in an axis of both; None if they cannot be told apart.

    A network at half the voxel grid has a block of channels for each name.
    """
    if start == fresh:
        every = torch.arange(sum(start))
        return every, every
    if not (known and wanted) or start[0] % len(known) or fresh[0] != start[0] // len(known) * len(wanted):
        return None
    block = torch.arange(start[0] // len(known))
    common = [(known.index(name), wanted.index(name)) for name in wanted if name in known]
    if not common:
        return None
    return (
        torch.cat([number * len(block) + block for number, _ in common]),
        torch.cat([number * len(block) + block for _, number in common]),
    )
