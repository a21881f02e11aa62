"""The sizes of networks that a machine can train: a table, and the memory that each row takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import torch

from operators.networks.architectures.architecture_table import build
from operators.process.memory import memory_bytes

ARCHITECTURE = "subpixel_unet"
GB = 1e9
# Shares of the memory that are left to the networks: the rest of a machine's runs other programs, too
USED = {"cuda": 0.8, "cpu": 0.5}
# An activation and its gradient, float32; a weight with its gradient, two moments and the moving average
BYTES_OF_VALUE, BYTES_OF_WEIGHT = 8, 20


@dataclass(frozen=True)
class Size:
    """The features of each level of a network, the greatest side of its patch in voxels, and the batch."""

    filters: tuple[int, ...]
    side: int
    batch: int = 1

    @property
    def step(self) -> int:
        """Patches have sides that are multiples of this: each level halves, the first once more."""
        return int(2 ** len(self.filters))


# From the largest down. On a CPU many steps of small patches teach more in the same time than few of large
# ones, and torch runs the convolutions of one small patch without oneDNN: two take less time than one
SIZES = {
    "cuda": (
        Size((32, 64, 128, 256), 128, 2),
        Size((32, 64, 128, 256), 96, 2),
        Size((32, 64, 128, 256), 64, 2),
        Size((16, 32, 64, 128), 64, 2),
    ),
    "cpu": (
        Size((16, 32, 64, 128), 48, 2),
        Size((8, 16, 32, 64), 48, 2),
        Size((8, 16, 32, 64), 32, 2),
        Size((8, 16, 32, 64), 32),
    ),
}  # fmt: skip


def device_bytes(device: str) -> int:
    """Returns the memory of a kind of device, of which this process may use some."""
    if device == "cuda":
        return int(torch.cuda.get_device_properties(0).total_memory)
    return memory_bytes()


def choose_size(device: str, there_bytes: int, classes: int, inputs: int, data_bytes: int) -> Size:
    """Returns the largest size that can be trained beside the cases in memory; the smallest if none can."""
    left = USED[device] * there_bytes - (data_bytes if device == "cpu" else 0)
    sizes = SIZES[device]
    return next((size for size in sizes if training_bytes(size, classes, inputs) <= left), sizes[-1])


def training_bytes(size: Size, classes: int, inputs: int) -> int:
    """Returns the memory that a step takes: what every layer writes, and the weights."""
    written = 0

    def seen(_: torch.nn.Module, __: object, made: object) -> None:
        nonlocal written
        written += made.numel() if isinstance(made, torch.Tensor) else 0

    # Tensors of torch's meta device have a shape but no data
    with torch.device("meta"), torch.no_grad():
        network = build(ARCHITECTURE, dimensions=3, inputs=inputs, outputs=classes, filters=size.filters)
        for part in network.modules():
            if not list(part.children()):
                part.register_forward_hook(seen)
        network(torch.empty(size.batch, inputs, *[size.side] * 3))
    weights = sum(tensor.numel() for tensor in network.parameters())
    return written * BYTES_OF_VALUE + weights * BYTES_OF_WEIGHT


def patch_of(size: Size, extent_mm: Sequence[float], spacing_mm: float) -> tuple[int, ...]:
    """Returns a patch no larger than the size's, nor than an image of that extent."""
    steps = (ceil(mm / spacing_mm / size.step) * size.step for mm in extent_mm)
    return tuple(min(size.side, max(step, size.step)) for step in steps)
