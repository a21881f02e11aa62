"""The rows of the table of architectures that nnU-Net's plans lead to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import cast

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


def plain_encoder(
    layers: Layers,
    inputs: int,
    features: Sequence[int],
    kernels: Sequence[Sides],
    strides: Sequence[Sides],
    blocks: Sequence[int],
) -> Encoder:
    """Stacks of convolutions."""
    before = (inputs, *features)
    rows = zip(blocks, before[:-1], features, kernels, strides, strict=True)
    return Encoder([nn.Sequential(ConvStack(layers, *row)) for row in rows])


def residual_encoder(
    layers: Layers,
    inputs: int,
    features: Sequence[int],
    kernels: Sequence[Sides],
    strides: Sequence[Sides],
    blocks: Sequence[int],
) -> Encoder:
    """A stem at full resolution, then stacks of residual blocks."""
    stem = ConvStack(layers, 1, inputs, features[0], kernels[0])
    before = (features[0], *features)
    rows = zip(blocks, before[:-1], features, kernels, strides, strict=True)
    return Encoder([ResidualStack(layers, *row) for row in rows], stem)


def unet(
    encoder: Callable[..., Encoder],
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
    """A U-Net; lists have one entry a stage, finest first, those of the decoder one less, coarsest first.

    Raises ValueError where the lists do not fit together.
    """
    levels = len(features)
    if {len(kernels), len(strides), len(blocks), len(decoder_blocks) + 1} != {levels}:
        raise ValueError(f"expected kernels, strides, blocks for {levels} stages")
    layers = Layers(dimensions, bias, norm, norm_eps, norm_affine, activation, slope)
    kernels_back = decoder_kernels or tuple(reversed(kernels[:-1]))
    return NnUNet(
        encoder(layers, inputs, features, kernels, strides, blocks),
        Decoder(layers, features, strides, kernels_back, decoder_blocks, outputs, upsampling_bias, head_bias),
    )


def strides_of(spec: NetworkSpec) -> tuple[int, ...] | None:
    """How much coarser the coarsest features are, axis by axis; None for another kind of network."""
    if spec.architecture not in NNUNET_ARCHITECTURES:
        return None
    steps = cast(Sequence[Sides], spec.arguments["strides"])
    return tuple(prod(step[axis] for step in steps) for axis in range(spec.dimensions))


# What package.toml's `architecture` may say beside Osteon's own
NNUNET_ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    # PlainConvUNet of nnU-Net v2, Generic_UNet of v1
    "nnunet_plain": partial(unet, plain_encoder),
    # ResidualEncoderUNet of nnU-Net v2
    "nnunet_residual": partial(unet, residual_encoder),
}
