"""Weights from disk: only safetensors, only with the SHA-256 that the package states."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors.torch import load

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
    return load(content)
