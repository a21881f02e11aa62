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
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from operators.errors import ModelError

if TYPE_CHECKING:
    import torch
    from torch import nn

# In the safetensors format the header's length comes first, in this many bytes
LENGTH_BYTES = 8
METADATA = "__metadata__"
# The exceptions of reading other bytes as safetensors
MALFORMED = (ValueError, TypeError, LookupError, AttributeError, RuntimeError)
# By the format's name of a type: torch's name, and numpy's type of as many bytes
DTYPES = {
    "F64": ("float64", "f8"), "F32": ("float32", "f4"), "F16": ("float16", "f2"), "BF16": ("bfloat16", "u2"),
    "I64": ("int64", "i8"), "I32": ("int32", "i4"), "I16": ("int16", "i2"), "I8": ("int8", "i1"),
    "U8": ("uint8", "u1"), "BOOL": ("bool", "?"),
}  # fmt: skip


@dataclass(frozen=True)
class Tensor:
    """A tensor of a file: a name of DTYPES, its shape, and its first byte."""

    kind: str
    shape: tuple[int, ...]
    begin: int


@dataclass(frozen=True, eq=False)
class Weights:
    """The tensors of a mapped file without a name, which nobody else can alter."""

    entries: dict[str, Tensor]
    content: mmap.mmap

    @property
    def tensors(self) -> dict[str, torch.Tensor]:
        """The tensors for torch, which lie in the file."""
        import torch  # slow to import, and not needed to run Osteon's own networks with OpenVINO

        return {
            name: torch.frombuffer(
                self.content,
                dtype=getattr(torch, DTYPES[entry.kind][0]),
                count=prod(entry.shape),
                offset=entry.begin,
            ).reshape(entry.shape)
            for name, entry in self.entries.items()
        }

    @property
    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """The tensors in single precision; those that have it in the file lie there, others are copies."""
        return {name: in_single_precision(self.content, entry) for name, entry in self.entries.items()}

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
            return Weights(entries_of(content), content)
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


def entries_of(content: mmap.mmap) -> dict[str, Tensor]:
    """Returns where the tensors of safetensors lie. Raises one of MALFORMED."""
    begin = LENGTH_BYTES + int.from_bytes(content[:LENGTH_BYTES], "little")
    header = json.loads(content[LENGTH_BYTES:begin])
    return {name: entry_of(about, begin, len(content)) for name, about in header.items() if name != METADATA}


def entry_of(about: dict[str, Any], begin: int, size: int) -> Tensor:
    """Returns where a tensor lies in a file of `size` bytes; `begin` is the offset of the first."""
    shape, kind, (low, high) = about["shape"], about["dtype"], about["data_offsets"]
    fits = 0 <= low < high <= size - begin
    if high - low != prod(shape) * np.dtype(DTYPES[kind][1]).itemsize or not fits:
        raise ValueError(f"expected {shape} values of {kind}, got bytes {low} to {high}")
    return Tensor(kind, tuple(shape), begin + low)


def in_single_precision(content: mmap.mmap, entry: Tensor) -> NDArray[np.float32]:
    """Returns a tensor as an array in single precision."""
    kind = DTYPES[entry.kind][1]
    array = np.frombuffer(content, kind, prod(entry.shape), entry.begin).reshape(entry.shape)
    if entry.kind == "BF16":
        # The upper half of a number in single precision
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float32, copy=False)


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
