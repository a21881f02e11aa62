"""Reads pickles from outside: plain values, numpy arrays and tensors only; nothing else is ever called."""

from __future__ import annotations

import pickle
import re
import struct
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from numpy._core import multiarray
from numpy.typing import NDArray

from operators.errors import ModelError, reason

NUMBERS = "?bhilqBHILQefd"


def latin_bytes(text: str, encoding: str = "latin1") -> bytes:
    """Returns bytes that pickle protocol 2 wrote as text in latin1."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"expected bytes as latin1, got {encoding!r}")
    return text.encode("latin1")


def array_of_buffer(
    buffer: bytes,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    order: Any,
    axes: tuple[int, ...] | None = None,
) -> NDArray[Any]:
    """Returns an array that pickle protocol 5 wrote (numpy's _frombuffer)."""
    flat = np.frombuffer(buffer, dtype=dtype)
    if order == "K" and axes is not None:
        return flat.reshape(shape).transpose(axes)
    return flat.reshape(shape, order=order)


NNUNET_POSTPROCESSING = "nnunetv2.postprocessing.remove_connected_components"


def remove_all_but_largest_component_from_segmentation(*_: object) -> NoReturn:
    """Stands for nnU-Net's function, which its post-processing.pkl names and nothing here calls."""
    raise pickle.UnpicklingError("expected the name of a function, got a call of it")


# The names that a pickle may use, besides the plain containers, numbers and texts, which need no name. numpy
# 1 called its module numpy.core.
ALLOWED: dict[str, Callable[..., object]] = {
    "collections.OrderedDict": OrderedDict,
    "collections.defaultdict": defaultdict,
    "builtins.dict": dict,
    "builtins.list": list,
    "builtins.set": set,
    "builtins.tuple": tuple,
    "builtins.int": int,
    "builtins.float": float,
    "builtins.bool": bool,
    "_codecs.encode": latin_bytes,
    "numpy.ndarray": np.ndarray,
    "numpy.dtype": np.dtype,
    "numpy.core.multiarray.scalar": multiarray.scalar,
    "numpy.core.multiarray._reconstruct": multiarray._reconstruct,
    "numpy._core.multiarray.scalar": multiarray.scalar,
    "numpy._core.multiarray._reconstruct": multiarray._reconstruct,
    "numpy.core.numeric._frombuffer": array_of_buffer,
    "numpy._core.numeric._frombuffer": array_of_buffer,
    f"{NNUNET_POSTPROCESSING}.{remove_all_but_largest_component_from_segmentation.__name__}": (
        remove_all_but_largest_component_from_segmentation
    ),
}
# torch's own reader also needs the types of numpy's dtypes; by default it allows only tensors, storages and
# OrderedDict
DTYPES = {type(np.dtype(letter)) for letter in NUMBERS}
# torch's message names what it refused
ASKED = re.compile(r"[Uu]nsupported (?:global: )?GLOBAL ([\w.]+)")
# The exceptions that opcodes and arguments of a damaged file may cause
DAMAGE = (
    pickle.UnpicklingError,
    struct.error,
    OSError,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ImportError,
    RuntimeError,
    MemoryError,
    OverflowError,
)


class RestrictedUnpickler(pickle.Unpickler):
    """An unpickler that refuses every name outside the table."""

    def __init__(self, file: Any, name: str) -> None:
        super().__init__(file)
        self.name = name

    def find_class(self, module: str, name: str) -> Any:
        """Returns the allowed object of that name. Raises ModelError."""
        full = f"{module}.{name}".replace("__builtin__.", "builtins.")
        if full not in ALLOWED:
            forbidden(self.name, full)
        return ALLOWED[full]

    def persistent_load(self, pid: Any) -> NoReturn:
        """Refuses references to objects outside the file."""
        forbidden(self.name, f"an external reference ({type(pid).__name__})")


def forbidden(file: str, name: str) -> NoReturn:
    """Raises ModelError with the forbidden name that the pickle requested."""
    raise ModelError(
        f"{file}: expected a pickle of numbers, texts, arrays and tensors only, got one with {name}: "
        "it is not loaded",
        code="pickle_forbidden",
    )


def unreadable(file: str, error: Exception) -> NoReturn:
    """Raises ModelError for a file that is damaged or of another format."""
    raise ModelError(
        f"expected a pickle or checkpoint in {file}, but could not read it: {reason(error)}",
        code="pickle_unreadable",
    ) from error


def read_pickle(path: Path) -> Any:
    """Reads a pickle of plain values and numpy arrays. Raises ModelError."""
    try:
        with path.open("rb") as file:
            return RestrictedUnpickler(file, path.name).load()
    except DAMAGE as error:
        unreadable(path.name, error)


def read_checkpoint(path: Path) -> Any:
    """Reads a torch checkpoint, of the current or the former format, on the CPU. Raises ModelError."""
    numpys = [(ALLOWED[name], name) for name in ALLOWED if name.startswith(("numpy", "_codecs"))]
    try:
        with torch.serialization.safe_globals([*numpys, *DTYPES]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except DAMAGE as error:
        asked = ASKED.search(str(error))
        if asked:
            forbidden(path.name, asked.group(1))
        unreadable(path.name, error)
