"""The architectures of nnU-Net's plans."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from operators.networks.architectures.unet_arguments import NNUNET_RESIDUAL, UNetArguments
from operators.networks.architectures.unets import (
    ConvStack,
    Decoder,
    Encoder,
    Layers,
    NnUNet,
    ResidualStack,
)


def unet(residual: bool, /, **arguments: Any) -> NnUNet:
    """Returns a U-Net of UNetArguments.

    Its encoder has stacks of convolutions or, if `residual`, a stem at full resolution and residual blocks.
    Raises TypeError or ValueError for other arguments.
    """
    given = UNetArguments(**arguments)
    layers = Layers(
        given.dimensions,
        given.bias,
        given.norm,
        given.norm_eps,
        given.norm_affine,
        given.activation,
        given.slope,
    )
    features = given.features
    stem = ConvStack(layers, 1, given.inputs, features[0], given.kernels[0]) if residual else None
    before = (features[0] if residual else given.inputs, *features[:-1])
    rows = zip(given.blocks, before, features, given.kernels, given.strides, strict=True)
    return NnUNet(
        Encoder([stage(layers, residual, *row) for row in rows], stem),
        Decoder(
            layers,
            features,
            given.strides,
            given.kernels_back,
            given.decoder_blocks,
            given.outputs,
            given.upsampling_bias,
            given.head_bias,
        ),
    )


def stage(layers: Layers, residual: bool, *row: Any) -> nn.Module:
    """Returns a stage of an encoder: its number of blocks, inputs, outputs, kernel and stride."""
    return ResidualStack(layers, *row) if residual else nn.Sequential(ConvStack(layers, *row))


NNUNET_ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    name: partial(unet, residual) for name, residual in NNUNET_RESIDUAL.items()
}
