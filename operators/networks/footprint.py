"""Computes the least memory that a network needs, without allocating any."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from operators.errors import ModelError
from operators.packages.packages import NetworkSpec

if TYPE_CHECKING:
    import torch
    from torch import nn

BYTES = {"bf16": 2, "f32": 4}
GB = 1e9
# More values than any network here holds for one voxel of its patch (two layers of 64 channels at full
# resolution take 128): with memory for that many, nothing need be counted, which takes a second and 77 MB of
# libraries
AMPLE_VALUES = 1024


def least_bytes(spec: NetworkSpec) -> int:
    """Returns the bytes of the weights and of what the largest layer reads and writes for one patch.

    A network needs more: a runtime's own buffers, features kept for the decoder, the scan itself.
    """
    import torch  # slow to import, and rarely needed: see AMPLE_VALUES

    from operators.networks.architectures.architecture_table import build

    largest = 0

    def seen(_: nn.Module, read: tuple[torch.Tensor, ...], written: object) -> None:
        nonlocal largest
        values = sum(each.numel() for each in (*read, written) if isinstance(each, torch.Tensor))
        largest = max(largest, values)

    # Tensors of torch's meta device have a shape but no data
    with torch.device("meta"), torch.no_grad():
        network = build(spec.architecture, **spec.arguments).eval()
        for part in network.modules():
            if not list(part.children()):
                part.register_forward_hook(seen)
        network(torch.empty(1, spec.inputs, *spec.patch))
    weights = sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())
    return weights + largest * BYTES.get(spec.precision, min(BYTES.values()))


def require_memory(spec: NetworkSpec, there_bytes: int) -> None:
    """Raises ModelError for a network that cannot run in `there_bytes` of memory under any settings."""
    weights = spec.weights.stat().st_size if spec.weights.is_file() else 0
    if AMPLE_VALUES * max(BYTES.values()) * prod(spec.patch) + 2 * weights < there_bytes:
        return
    needed = least_bytes(spec)
    if needed > there_bytes:
        patch = "x".join(map(str, spec.patch))
        raise ModelError(
            f"{spec.name}: expected {needed / GB:.1f} GB of memory or more for its weights and its largest "
            f"layer on a patch of {patch}, got {there_bytes / GB:.1f} GB on this machine",
            code="memory_too_small",
        )
