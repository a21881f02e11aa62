"""Builds the layers of the networks in `unets.py` as parts of an OpenVINO model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import opset14

from operators.networks.architectures.unet_arguments import Sides, UNetArguments
from operators.networks.fast_openvino.named_weights import NamedWeights

# Batch and channels come before an image's axes
LEADING = 2

Array = NDArray[np.float32]
# Adds a layer to an image (1, C, ...)
Layer = Callable[[openvino.Output], openvino.Output]


def channels_of(image: openvino.Output) -> int:
    """Returns the number of channels of an image (1, C, ...)."""
    return int(image.get_shape()[1])


def ones_of(image: openvino.Output) -> list[int]:
    """Returns a 1 for each axis of an image (1, C, ...) after the leading ones."""
    return [1] * (len(image.get_shape()) - LEADING)


def constant(array: Array, *ones: int) -> openvino.Node:
    """Returns a constant that shares the array's memory; with `ones`, (C) becomes (1, C, 1, ...)."""
    return opset14.constant(array.reshape(1, -1, *ones) if ones else array, shared_memory=True)


def convolution(
    weights: NamedWeights,
    image: openvino.Output,
    outputs: int,
    kernel: Sides,
    stride: Sides = (),
    *,
    bias: bool,
) -> openvino.Output:
    """Builds a convolution that keeps the sides of the image, but for the stride."""
    weight = weights.take("weight", outputs, channels_of(image), *kernel)
    pads = [(side - 1) // 2 for side in kernel]
    steps = list(stride) or ones_of(image)
    found = opset14.convolution(image, constant(weight), steps, pads, pads, ones_of(image)).output(0)
    return biased(weights, found) if bias else found


def transposed(
    weights: NamedWeights, image: openvino.Output, outputs: int, stride: Sides, *, bias: bool
) -> openvino.Output:
    """Builds a transposed convolution whose strides are its kernel's sides."""
    none = [0] * len(stride)
    weight = weights.take("weight", channels_of(image), outputs, *stride)
    found = opset14.convolution_backprop_data(
        image,
        constant(weight),
        list(stride),
        pads_begin=none,
        pads_end=none,
        dilations=[1] * len(none),
    ).output(0)
    return biased(weights, found) if bias else found


def biased(weights: NamedWeights, image: openvino.Output) -> openvino.Output:
    """Adds a bias to each channel."""
    bias = weights.take("bias", channels_of(image))
    return opset14.add(image, constant(bias, *ones_of(image))).output(0)


def norm(weights: NamedWeights, image: openvino.Output, given: UNetArguments) -> openvino.Output:
    """Builds the network's kind of norm. Raises ValueError for an unknown one."""
    if given.norm == "none":
        return image
    if given.norm == "instance":
        axes = opset14.constant(np.arange(LEADING, len(image.get_shape())))
        image = opset14.mvn(image, axes, True, given.norm_eps, "INSIDE_SQRT").output(0)
    elif given.norm == "batch":
        image = batch_norm(weights, image, given.norm_eps)
    else:
        raise ValueError(f"expected no norm, or one of instances or batches, got {given.norm!r}")
    if not given.norm_affine:
        return image
    channels = channels_of(image)
    return scaled(image, weights.take("weight", channels), weights.take("bias", channels))


def batch_norm(weights: NamedWeights, image: openvino.Output, eps: float) -> openvino.Output:
    """Builds a norm with the means and deviations of training."""
    weights.take("num_batches_tracked")
    channels = channels_of(image)
    factor = np.float32(1) / np.sqrt(weights.take("running_var", channels) + np.float32(eps))
    return scaled(image, factor, -weights.take("running_mean", channels) * factor)


def scaled(image: openvino.Output, factor: Array, shift: Array) -> openvino.Output:
    """Multiplies each channel by its factor and adds its shift."""
    ones = ones_of(image)
    return opset14.add(opset14.multiply(image, constant(factor, *ones)), constant(shift, *ones)).output(0)


def activation(image: openvino.Output, given: UNetArguments) -> openvino.Output:
    """Builds the network's kind of nonlinearity. Raises ValueError for an unknown one."""
    if given.activation == "relu":
        return opset14.relu(image).output(0)
    if given.activation == "leaky_relu":
        return leaky_relu(image, given.slope)
    raise ValueError(f"expected relu or leaky_relu, got {given.activation!r}")


def leaky_relu(image: openvino.Output, slope: float) -> openvino.Output:
    """Multiplies negative values by the slope."""
    return opset14.prelu(image, opset14.constant(np.array([slope], np.float32))).output(0)


def block(
    weights: NamedWeights,
    image: openvino.Output,
    given: UNetArguments,
    outputs: int,
    kernel: Sides,
    stride: Sides = (),
    *,
    active: bool = True,
    bias: bool | None = None,
) -> openvino.Output:
    """Builds a ConvBlock: a convolution, a norm and a nonlinearity (left out unless `active`)."""
    has_bias = given.bias if bias is None else bias
    image = convolution(weights.of("conv"), image, outputs, kernel, stride, bias=has_bias)
    image = norm(weights.of("norm"), image, given)
    return activation(image, given) if active else image


def stack(
    weights: NamedWeights,
    image: openvino.Output,
    given: UNetArguments,
    count: int,
    outputs: int,
    kernel: Sides,
    stride: Sides = (),
) -> openvino.Output:
    """Builds a ConvStack: blocks of convolutions, the first of which has the stride."""
    for number in range(count):
        part = weights.of("convs", number)
        image = block(part, image, given, outputs, kernel, () if number else stride)
    return image


def residual_stack(
    weights: NamedWeights,
    image: openvino.Output,
    given: UNetArguments,
    count: int,
    outputs: int,
    kernel: Sides,
    stride: Sides,
) -> openvino.Output:
    """Builds a ResidualStack: residual blocks, the first of which has the stride."""
    for number in range(count):
        part = weights.of("blocks", number)
        image = residual_block(part, image, given, outputs, kernel, ones_of(image) if number else stride)
    return image


def residual_block(
    weights: NamedWeights,
    image: openvino.Output,
    given: UNetArguments,
    outputs: int,
    kernel: Sides,
    stride: Sides,
) -> openvino.Output:
    """Builds a ResidualBlock: two convolutions beside a shortcut, averaged and projected if necessary."""
    found = block(weights.of("conv1"), image, given, outputs, kernel, stride)
    found = block(weights.of("conv2"), found, given, outputs, kernel, active=False)
    averaged = any(step != 1 for step in stride)
    shortcut = means(image, stride) if averaged else image
    if channels_of(image) != outputs:
        skip = weights.of("skip", int(averaged))
        ones = ones_of(image)
        shortcut = block(skip, shortcut, given, outputs, ones, active=False, bias=False)
    return activation(opset14.add(found, shortcut).output(0), given)


def means(image: openvino.Output, sides: Sequence[int]) -> openvino.Output:
    """Averages blocks of voxels."""
    none, kernel = [0] * len(sides), list(sides)
    return opset14.avg_pool(image, kernel, none, none, kernel, False).output(0)
