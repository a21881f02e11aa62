"""The arguments of nnU-Net's U-Nets and of Osteon's own; torch is not needed to read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, cast

from operators.packages.packages import NetworkSpec

Sides = Sequence[int]

# The sides of the blocks of voxels that enter and leave a SubpixelUNet as channels
SUBPIXELS = 2
# Whether the encoder is residual, by the values of package.toml's `architecture`: PlainConvUNet of nnU-Net v2
# and Generic_UNet of v1, and ResidualEncoderUNet of v2
NNUNET_RESIDUAL = {"nnunet_plain": False, "nnunet_residual": True}


@dataclass(frozen=True, kw_only=True)
class UNetArguments:
    """A U-Net; lists have one entry for each stage, finest first, those of the decoder one less, coarsest
    first.

    Raises ValueError if the lists do not match in length.
    """

    dimensions: int
    outputs: int
    features: Sequence[int]
    kernels: Sequence[Sides]
    strides: Sequence[Sides]
    blocks: Sequence[int]
    decoder_blocks: Sequence[int]
    inputs: int = 1
    decoder_kernels: Sequence[Sides] = ()
    bias: bool = True
    upsampling_bias: bool = True
    head_bias: bool = True
    norm: str = "instance"
    norm_eps: float = 1e-5
    norm_affine: bool = True
    activation: str = "leaky_relu"
    slope: float = 0.01

    def __post_init__(self) -> None:
        levels = len(self.features)
        each = (self.kernels, self.strides, self.blocks)
        if {*map(len, each), len(self.decoder_blocks) + 1} != {levels}:
            raise ValueError(f"expected kernels, strides and blocks for {levels} stages, got other numbers")

    @property
    def kernels_back(self) -> Sequence[Sides]:
        """The kernels of the decoder: by default the encoder's, but for the coarsest stage."""
        return self.decoder_kernels or tuple(reversed(self.kernels[:-1]))


def plain_arguments(dimensions: int, outputs: int, filters: Sequence[int], inputs: int = 1) -> dict[str, Any]:
    """Returns the arguments of a U-Net: two 3-kernels per level, halved at each, no redundant bias."""
    levels = len(filters)
    return {
        "dimensions": dimensions,
        "inputs": inputs,
        "outputs": outputs,
        "features": filters,
        "kernels": [[3] * dimensions] * levels,
        "strides": [[1] * dimensions, *[[2] * dimensions] * (levels - 1)],
        "blocks": [2] * levels,
        "decoder_blocks": [2] * (levels - 1),
        "bias": False,
        "upsampling_bias": False,
    }


def strides_of(spec: NetworkSpec) -> tuple[int, ...] | None:
    """Returns how much coarser the coarsest features are along each axis; None for other networks."""
    if spec.architecture not in NNUNET_RESIDUAL:
        return None
    steps = cast(Sequence[Sides], spec.arguments["strides"])
    return tuple(prod(step[axis] for step in steps) for axis in range(spec.dimensions))
