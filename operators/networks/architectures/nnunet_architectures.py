"""The architectures of nnU-Net's plans."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any, cast

from torch import nn

from operators.networks.architectures.unets import (
    ConvStack,
    Decoder,
    Encoder,
    Layers,
    NnUNet,
    ResidualStack,
    Sides,
)
from operators.packages.packages import NetworkSpec


def unet(
    residual: bool,
    /,
    *,
    dimensions: int,
    outputs: int,
    features: Sequence[int],
    kernels: Sequence[Sides],
    strides: Sequence[Sides],
    blocks: Sequence[int],
    decoder_blocks: Sequence[int],
    inputs: int = 1,
    decoder_kernels: Sequence[Sides] = (),
    bias: bool = True,
    upsampling_bias: bool = True,
    head_bias: bool = True,
    norm: str = "instance",
    norm_eps: float = 1e-5,
    norm_affine: bool = True,
    activation: str = "leaky_relu",
    slope: float = 0.01,
) -> NnUNet:
    """Returns a U-Net; lists have one entry for each stage, finest first, those of the decoder one less,
    coarsest first.

    Its encoder has stacks of convolutions or, if `residual`, a stem at full resolution and residual blocks.
    Raises ValueError if the lists do not match in length.
    """
    levels = len(features)
    if {len(kernels), len(strides), len(blocks), len(decoder_blocks) + 1} != {levels}:
        raise ValueError(f"expected kernels, strides and blocks for {levels} stages, got other numbers")
    layers = Layers(dimensions, bias, norm, norm_eps, norm_affine, activation, slope)
    kernels_back = decoder_kernels or tuple(reversed(kernels[:-1]))
    stem = ConvStack(layers, 1, inputs, features[0], kernels[0]) if residual else None
    before = (features[0] if residual else inputs, *features[:-1])
    rows = zip(blocks, before, features, kernels, strides, strict=True)
    return NnUNet(
        Encoder([stage(layers, residual, *row) for row in rows], stem),
        Decoder(layers, features, strides, kernels_back, decoder_blocks, outputs, upsampling_bias, head_bias),
    )


def stage(layers: Layers, residual: bool, *row: Any) -> nn.Module:
    """Returns a stage of an encoder: its number of blocks, inputs, outputs, kernel and stride."""
    return ResidualStack(layers, *row) if residual else nn.Sequential(ConvStack(layers, *row))


def strides_of(spec: NetworkSpec) -> tuple[int, ...] | None:
    """Returns how much coarser the coarsest features are along each axis; None for other networks."""
    if spec.architecture not in NNUNET_ARCHITECTURES:
        return None
    steps = cast(Sequence[Sides], spec.arguments["strides"])
    return tuple(prod(step[axis] for step in steps) for axis in range(spec.dimensions))


# The values of package.toml's `architecture` besides Osteon's own
NNUNET_ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    # PlainConvUNet of nnU-Net v2, Generic_UNet of v1
    "nnunet_plain": partial(unet, False),
    # ResidualEncoderUNet of nnU-Net v2
    "nnunet_residual": partial(unet, True),
}
