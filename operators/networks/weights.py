"""Loads weights from disk: only safetensors, only with the SHA-256 that the package states."""

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

# In the safetensors format the header's length comes first, in this many bytes
LENGTH_BYTES = 8
METADATA = "__metadata__"
# The exceptions of reading other bytes as safetensors
MALFORMED = (ValueError, TypeError, LookupError, AttributeError, RuntimeError)
DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8,
    "BOOL": torch.bool,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Weights:
    """A state dict whose `tensors` lie in a mapped file without a name, which nobody else can alter."""

    tensors: dict[str, torch.Tensor]
    content: mmap.mmap

    def rest(self) -> None:
        """Removes the file's pages from this process's memory; they are read again on use."""
        self.content.madvise(mmap.MADV_DONTNEED)


def load_weights(path: Path, sha256: str) -> Weights:
    """Returns checked weights. Raises ModelError if the file is missing or its SHA-256 differs."""
    with copy_of(path) as copy:
        found = hashlib.file_digest(copy, "sha256").hexdigest()
        if found != sha256:
            raise ModelError(
                f"expected {path.parent.name}/{path.name} to have SHA-256 {sha256[:12]}..., got "
                f"{found[:12]}...: the file was altered or is not complete",
                code="weights_altered",
            )
        try:
            # Copy on write, as torch accepts only memory that it may write to
            content = mmap.mmap(copy.fileno(), 0, access=mmap.ACCESS_COPY)
            return Weights(tensors_of(content), content)
        except MALFORMED as error:
            raise ModelError(
                f"expected safetensors in {path.parent.name}/{path.name}, but: {error}",
                code="weights_do_not_fit",
            ) from error


@contextmanager
def copy_of(path: Path) -> Iterator[BufferedRandom]:
    """Opens a nameless copy of `path`, so that the content that was checked is what runs.

    The copy is in the temporary folder, or in memory if that has no space. Raises ModelError.
    """
    try:
        with path.open("rb") as original:
            copy = nameless_copy(original)
    except OSError as error:
        raise ModelError(
            f"expected weights at {path.parent.name}/{path.name}, but could not read them: {error.strerror}",
            code="weights_missing",
        ) from error
    with copy:
        yield copy


def nameless_copy(original: BinaryIO) -> BufferedRandom:
    """Returns a nameless copy of an open file, positioned at its start."""
    try:
        return copy_weights(original, tempfile.TemporaryFile())
    except OSError:
        original.seek(0)
        return copy_weights(original, os.fdopen(os.memfd_create("weights"), "w+b"))


def copy_weights(original: BinaryIO, copy: BufferedRandom) -> BufferedRandom:
    """Copies a file into another, which is closed if this fails."""
    try:
        shutil.copyfileobj(original, copy, 1 << 20)
        copy.seek(0)
    except OSError:
        copy.close()
        raise
    return copy


def tensors_of(content: mmap.mmap) -> dict[str, torch.Tensor]:
    """Returns the tensors of safetensors without copying them. Raises one of MALFORMED."""
    begin = LENGTH_BYTES + int.from_bytes(content[:LENGTH_BYTES], "little")
    header = json.loads(content[LENGTH_BYTES:begin])
    return {name: tensor_of(content, begin, about) for name, about in header.items() if name != METADATA}


def tensor_of(content: mmap.mmap, begin: int, about: dict[str, Any]) -> torch.Tensor:
    """Returns one tensor; `begin` is the offset of the first."""
    shape, kind, (low, high) = about["shape"], DTYPES[about["dtype"]], about["data_offsets"]
    if low < 0 or high - low != prod(shape) * kind.itemsize:
        raise ValueError(f"expected {shape} values of {about['dtype']}, got bytes {low} to {high}")
    return torch.frombuffer(content, dtype=kind, count=prod(shape), offset=begin + low).reshape(shape)


def distinct(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Returns a state dict without second names of the same tensor, which MONAI's U-Nets have."""
    first = {tensor.data_ptr(): name for name, tensor in reversed(state.items())}
    return {name: tensor for name, tensor in state.items() if first[tensor.data_ptr()] == name}


def fill(network: nn.Module, weights: dict[str, torch.Tensor], shared: bool = False) -> None:
    """Puts weights, or copies unless `shared`, into a network but for second names. Raises RuntimeError."""
    state = network.state_dict()
    missing, foreign = set(distinct(state)) - set(weights), set(weights) - set(state)
    if missing or foreign:
        raise RuntimeError(f"{len(missing)} tensors are missing, {len(foreign)} are of another network")
    if shared:
        weights = {name: tensor.to(state[name].dtype) for name, tensor in weights.items()}
    network.load_state_dict(weights, strict=False, assign=shared)
