"""Builds OpenVINO models of networks from `unets.py` and `own_unets.py`, layer by layer.

Tracing and conversion give the same model in ten times the time (1 s for a network).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino
import torch
from openvino import opset14
from torch import nn

from operators.networks.architectures.own_unets import SUBPIXELS, SubpixelUNet
from operators.networks.architectures.unets import (
    ConvBlock,
    ConvStack,
    Decoder,
    Encoder,
    NnUNet,
    ResidualBlock,
    ResidualStack,
)

# Batch and channels come before an image's axes
LEADING = 2


def build_openvino_model(network: nn.Module, shape: tuple[int, ...]) -> openvino.Model | None:
    """Returns a model whose input has `shape` (1, inputs, ...); None if the network has unknown layers."""
    if not all(type(module) in LAYERS or isinstance(module, PARTS) for module in network.modules()):
        return None
    image = opset14.parameter(list(shape), np.float32)
    return openvino.Model([layer(network, image.output(0))], [image])


def layer(module: nn.Module, image: openvino.Output) -> openvino.Output:
    """Returns the output of `module` for an image (1, C, ...)."""
    return LAYERS[type(module)](module, image)


def sequence(*names: str) -> Callable[[Any, openvino.Output], openvino.Output]:
    """Returns the builder of a module that runs its named parts in order, or all parts if none is named."""

    def drawing(module: Any, image: openvino.Output) -> openvino.Output:
        for part in [getattr(module, name) for name in names] or module:
            image = layer(part, image)
        return image

    return drawing


def values(tensor: torch.Tensor, *ones: int) -> openvino.Node:
    """Returns a constant that shares the tensor's memory; with `ones`, (C) becomes (1, C, 1, ...)."""
    array = tensor.detach().float().numpy()
    return opset14.constant(array.reshape(1, -1, *ones) if ones else array, shared_memory=True)


def convolution(module: Any, image: openvino.Output) -> openvino.Output:
    """Builds a convolution."""
    pads = list(module.padding)
    found = opset14.convolution(
        image, values(module.weight), list(module.stride), pads, pads, list(module.dilation)
    ).output(0)
    return biased(found, module)


def transposed(module: Any, image: openvino.Output) -> openvino.Output:
    """Builds a transposed convolution whose strides are its kernel's sides."""
    none = [0] * len(module.stride)
    found = opset14.convolution_backprop_data(
        image,
        values(module.weight),
        list(module.stride),
        pads_begin=none,
        pads_end=none,
        dilations=[1] * len(none),
    ).output(0)
    return biased(found, module)


def biased(image: openvino.Output, module: Any) -> openvino.Output:
    """Adds the module's bias, if it has one."""
    if module.bias is None:
        return image
    return opset14.add(image, values(module.bias, *ones_of(image))).output(0)


def ones_of(image: openvino.Output) -> list[int]:
    """Returns a 1 for each axis of an image (1, C, ...) after the leading ones."""
    return [1] * (len(image.get_partial_shape()) - LEADING)


def instance_norm(module: Any, image: openvino.Output) -> openvino.Output:
    """Subtracts each channel's mean and divides by its deviation."""
    ones = ones_of(image)
    axes = opset14.constant(np.arange(LEADING, LEADING + len(ones)))
    image = opset14.mvn(image, axes, True, module.eps, "INSIDE_SQRT").output(0)
    return scaled(image, module.weight, module.bias) if module.affine else image


def batch_norm(module: Any, image: openvino.Output) -> openvino.Output:
    """Builds a norm with the means and deviations of training."""
    factor = (module.running_var + module.eps) ** -0.5
    shift = -module.running_mean * factor
    image = scaled(image, factor, shift)
    return scaled(image, module.weight, module.bias) if module.affine else image


def scaled(image: openvino.Output, factor: torch.Tensor, shift: torch.Tensor) -> openvino.Output:
    """Multiplies each channel by its factor and adds its shift."""
    ones = ones_of(image)
    return opset14.add(opset14.multiply(image, values(factor, *ones)), values(shift, *ones)).output(0)


def leaky_relu(module: Any, image: openvino.Output) -> openvino.Output:
    """Multiplies negative values by the slope."""
    return opset14.prelu(image, opset14.constant(np.array([module.negative_slope], np.float32))).output(0)


def means(module: Any, image: openvino.Output) -> openvino.Output:
    """Averages blocks of voxels."""
    none = [0] * len(module.kernel_size)
    return opset14.avg_pool(image, list(module.stride), none, none, list(module.kernel_size), False).output(0)


def residual_block(module: ResidualBlock, image: openvino.Output) -> openvino.Output:
    """Builds two convolutions beside a shortcut."""
    both = layer(module.conv2, layer(module.conv1, image))
    return layer(module.nonlin2, opset14.add(both, layer(module.skip, image)).output(0))


def nnunet(module: NnUNet, image: openvino.Output) -> openvino.Output:
    """Builds a U-Net of an encoder and a decoder."""
    encoder, decoder = module.encoder, module.decoder
    found = [layer(encoder.stem, image) if encoder.has_stem else image]
    for stage in encoder.stages:
        found.append(layer(stage, found[-1]))
    image = found[-1]
    for up, stage, skip in zip(decoder.transpconvs, decoder.stages, reversed(found[1:-1]), strict=True):
        image = layer(stage, opset14.concat([layer(up, image), skip], 1).output(0))
    return layer(decoder.head, image)


def subpixel_unet(module: SubpixelUNet, image: openvino.Output) -> openvino.Output:
    """Builds a SubpixelUNet: blocks of voxels enter and leave as channels."""
    blocks = opset14.space_to_depth(image, "depth_first", SUBPIXELS).output(0)
    return opset14.depth_to_space(layer(module.unet, blocks), "depth_first", SUBPIXELS).output(0)


LAYERS: dict[type[nn.Module], Callable[[Any, openvino.Output], openvino.Output]] = {
    nn.Conv2d: convolution,
    nn.Conv3d: convolution,
    nn.ConvTranspose2d: transposed,
    nn.ConvTranspose3d: transposed,
    nn.InstanceNorm2d: instance_norm,
    nn.InstanceNorm3d: instance_norm,
    nn.BatchNorm2d: batch_norm,
    nn.BatchNorm3d: batch_norm,
    nn.AvgPool2d: means,
    nn.AvgPool3d: means,
    nn.LeakyReLU: leaky_relu,
    nn.ReLU: lambda _, image: opset14.relu(image).output(0),
    nn.Identity: lambda _, image: image,
    nn.Sequential: sequence(),
    ConvBlock: sequence("conv", "norm", "nonlin"),
    ConvStack: sequence("convs"),
    ResidualStack: sequence("blocks"),
    ResidualBlock: residual_block,
    NnUNet: nnunet,
    SubpixelUNet: subpixel_unet,
}
# Modules that are built with the module that contains them
PARTS = (nn.ModuleList, Encoder, Decoder)
