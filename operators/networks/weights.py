"""Weights from disk: only safetensors, only with the SHA-256 that the package states."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import nn

from operators.errors import ModelError


def load_weights(path: Path, sha256: str) -> dict[str, torch.Tensor]:
    """A state dict. Raises ModelError where the file is missing or is not the one that was meant."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"expected weights at {path.parent.name}/{path.name}, could not read them: {error.strerror}",
            code="weights_missing",
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ModelError(
            f"expected {path.parent.name}/{path.name} to have SHA-256 {sha256[:12]}..., got {found[:12]}...: "
            "the file was altered or is not complete",
            code="weights_altered",
        )
    try:
        weights: dict[str, torch.Tensor] = load(content)
    except SafetensorError as error:
        raise ModelError(
            f"expected safetensors in {path.parent.name}/{path.name}: {error}", code="weights_do_not_fit"
        ) from error
    return weights


def distinct(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state dict without second names of the same tensor, which MONAI's U-Nets have."""
    first = {tensor.data_ptr(): name for name, tensor in reversed(state.items())}
    return {name: tensor for name, tensor in state.items() if first[tensor.data_ptr()] == name}


def fill(network: nn.Module, weights: dict[str, torch.Tensor]) -> None:
    """Puts weights into a network; second names may be left out. Raises RuntimeError."""
    state = network.state_dict()
    missing, foreign = set(distinct(state)) - set(weights), set(weights) - set(state)
    if missing or foreign:
        raise RuntimeError(f"{len(missing)} tensors are missing, {len(foreign)} are of another network")
    network.load_state_dict(weights, strict=False)
