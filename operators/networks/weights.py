"""Weights from disk: only safetensors, only with the SHA-256 that the package states."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedRandom
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import nn

from operators.errors import ModelError

# Of the safetensors format: the header's length comes first, in so many bytes
LENGTH_BYTES = 8
METADATA = "__metadata__"
# What reading other bytes as safetensors can raise
MALFORMED = (ValueError, TypeError, LookupError, AttributeError, RuntimeError)
DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8,
    "BOOL": torch.bool,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Weights:
    """A state dict whose `tensors` lie in a mapped file that has no name: nobody else can alter them."""

    tensors: dict[str, torch.Tensor]
    content: mmap.mmap

    def rest(self) -> None:
        """Takes the file's pages out of this process's memory; they are read again where they are wanted."""
        self.content.madvise(mmap.MADV_DONTNEED)


def load_weights(path: Path, sha256: str) -> Weights:
    """Checked weights. Raises ModelError where the file is missing or is not the one that was meant."""
    with copy_of(path) as copy:
        found = hashlib.file_digest(copy, "sha256").hexdigest()
        if found != sha256:
            raise ModelError(
                f"expected {path.parent.name}/{path.name} to have SHA-256 {sha256[:12]}..., got "
                f"{found[:12]}...: the file was altered or is not complete",
                code="weights_altered",
            )
        try:
            # Copied on write: torch takes no memory that it may not write to
            content = mmap.mmap(copy.fileno(), 0, access=mmap.ACCESS_COPY)
            return Weights(tensors_of(content), content)
        except MALFORMED as error:
            raise ModelError(
                f"expected safetensors in {path.parent.name}/{path.name}: {error}", code="weights_do_not_fit"
            ) from error


@contextmanager
def copy_of(path: Path) -> Iterator[BufferedRandom]:
    """A file without a name that holds what `path` holds: what was checked stays what runs.

    In the temporary folder, or in memory where that has no room for it. Raises ModelError.
    """
    try:
        with path.open("rb") as original:
            copy = fill_network(original)
    except OSError as error:
        raise ModelError(
            f"expected weights at {path.parent.name}/{path.name}, could not read them: {error.strerror}",
            code="weights_missing",
        ) from error
    with copy:
        yield copy


def fill_network(original: BinaryIO) -> BufferedRandom:
    """A copy of an open file, at its beginning."""
    try:
        return copy_weights(original, tempfile.TemporaryFile())
    except OSError:
        original.seek(0)
        return copy_weights(original, os.fdopen(os.memfd_create("weights"), "w+b"))


def copy_weights(original: BinaryIO, copy: BufferedRandom) -> BufferedRandom:
    """All of a file in another; that one is closed where this fails."""
    try:
        shutil.copyfileobj(original, copy, 1 << 20)
        copy.seek(0)
    except OSError:
        copy.close()
        raise
    return copy


def tensors_of(content: mmap.mmap) -> dict[str, torch.Tensor]:
    """The tensors of safetensors, where they lie. Raises one of MALFORMED."""
    begin = LENGTH_BYTES + int.from_bytes(content[:LENGTH_BYTES], "little")
    header = json.loads(content[LENGTH_BYTES:begin])
    return {name: tensor_of(content, begin, about) for name, about in header.items() if name != METADATA}


def tensor_of(content: mmap.mmap, begin: int, about: dict[str, Any]) -> torch.Tensor:
    """One of them; `begin`: where tensors begin."""
    shape, kind, (low, high) = about["shape"], DTYPES[about["dtype"]], about["data_offsets"]
    if low < 0 or high - low != prod(shape) * kind.itemsize:
        raise ValueError(f"expected {shape} values of {about['dtype']}, got bytes {low} to {high}")
    return torch.frombuffer(content, dtype=kind, count=prod(shape), offset=begin + low).reshape(shape)


def distinct(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state dict without second names of the same tensor, which MONAI's U-Nets have."""
    first = {tensor.data_ptr(): name for name, tensor in reversed(state.items())}
    return {name: tensor for name, tensor in state.items() if first[tensor.data_ptr()] == name}


def fill(network: nn.Module, weights: dict[str, torch.Tensor], shared: bool = False) -> None:
    """Puts weights into a network, themselves where `shared`, else copies of them.

    Second names may be left out. Raises RuntimeError.
    """
    state = network.state_dict()
    missing, foreign = set(distinct(state)) - set(weights), set(weights) - set(state)
    if missing or foreign:
        raise RuntimeError(f"{len(missing)} tensors are missing, {len(foreign)} are of another network")
    if shared:
        weights = {name: tensor.to(state[name].dtype) for name, tensor in weights.items()}
    network.load_state_dict(weights, strict=False, assign=shared)
