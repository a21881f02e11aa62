"""Networks of all folds as one network that averages them, and back to one of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save

from operators.packages.packages import NetworkSpec
from training.loop.starting_weights import MEMBER

ENSEMBLE, OF, MEMBERS = "ensemble", "of", "members"


def merge(weights: Sequence[Path], target: Path) -> str:
    """Writes the weights of networks as those of their ensemble, in this order; returns the SHA-256."""
    content = save(
        {
            MEMBER.format(number) + name: tensor
            for number, path in enumerate(weights)
            for name, tensor in load_file(path).items()
        }
    )
    target.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def ensemble_row(row: Mapping[str, Any], members: int, sha256: str) -> dict[str, Any]:
    """Returns the table of an ensemble of networks like that of a table of package.toml."""
    arguments = {MEMBERS: members, OF: row["architecture"], **row["arguments"]}
    return {**row, "architecture": ENSEMBLE, "arguments": arguments, "sha256": sha256}


def member_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the table of one of an ensemble's networks; that of a single network as it is."""
    if row["architecture"] != ENSEMBLE:
        return dict(row)
    arguments = {key: value for key, value in row["arguments"].items() if key not in (MEMBERS, OF)}
    return {**row, "architecture": row["arguments"][OF], "arguments": arguments}


def member_of(spec: NetworkSpec) -> NetworkSpec:
    """Returns one of an ensemble's networks; a single network as it is. The file of weights is the same."""
    row = member_row({"architecture": spec.architecture, "arguments": spec.arguments})
    return replace(spec, architecture=row["architecture"], arguments=row["arguments"])
