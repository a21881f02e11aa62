"""Builds OpenVINO models from an architecture's name, its arguments and its weights, without torch.

Tracing and conversion of torch's network give the same model in ten times the time (1 s for a network), and
torch takes a second to import.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import opset14

from operators.networks.architectures.unet_arguments import (
    NNUNET_RESIDUAL,
    SUBPIXELS,
    UNetArguments,
    plain_arguments,
)
from operators.networks.fast_openvino.named_weights import NamedWeights
from operators.networks.fast_openvino.openvino_layers import (
    channels_of,
    constant,
    convolution,
    leaky_relu,
    means,
    ones_of,
    residual_stack,
    stack,
    transposed,
)

# What arguments or weights of another network raise
MISFITS = (TypeError, ValueError, LookupError)


def build_openvino_model(
    architecture: str,
    arguments: Mapping[str, Any],
    arrays: Mapping[str, NDArray[np.float32]],
    shape: Sequence[int],
) -> openvino.Model | None:
    """Returns a model whose input has `shape` (1, inputs, ...), with weights in single precision.

    Returns None for an architecture that is not in the table, or arguments or weights that do not fit it:
    `build` and `fill` say what is wrong with these. The model shares the memory of the weights.
    """
    if architecture not in BUILDERS:
        return None
    image = opset14.parameter(list(shape), np.float32)
    weights = NamedWeights(arrays, set(arrays))
    try:
        found = BUILDERS[architecture](weights, image.output(0), **arguments)
    except MISFITS:
        return None
    return None if weights.unread else openvino.Model([found], [image])


def unet(weights: NamedWeights, image: openvino.Output, residual: bool, **arguments: Any) -> openvino.Output:
    """Builds a U-Net of an encoder and a decoder."""
    given = UNetArguments(**arguments)
    if (channels_of(image), len(ones_of(image))) != (given.inputs, given.dimensions):
        raise ValueError("expected an image of the network's own inputs and dimensions")
    found = encoded(weights.of("encoder"), image, given, residual)
    return decoded(weights.of("decoder"), found, given)


def encoded(
    weights: NamedWeights, image: openvino.Output, given: UNetArguments, residual: bool
) -> list[openvino.Output]:
    """Builds the encoder; returns the features of every stage, finest first."""
    if residual:
        image = stack(weights.of("stem"), image, given, 1, given.features[0], given.kernels[0])
    found = []
    rows = zip(given.blocks, given.features, given.kernels, given.strides, strict=True)
    for number, row in enumerate(rows):
        stage = weights.of("stages", number)
        image = (
            residual_stack(stage, image, given, *row) if residual else stack(stage.of(0), image, given, *row)
        )
        found.append(image)
    return found


def decoded(weights: NamedWeights, found: list[openvino.Output], given: UNetArguments) -> openvino.Output:
    """Builds the decoder: from the coarsest features back to the finest, and to logits."""
    image = found[-1]
    rows = zip(
        reversed(found[:-1]),
        reversed(given.strides[1:]),
        given.decoder_blocks,
        given.kernels_back,
        strict=True,
    )
    for number, (skip, stride, count, kernel) in enumerate(rows):
        width = channels_of(skip)
        up = weights.of("transpconvs", number)
        raised = transposed(up, image, width, stride, bias=given.upsampling_bias)
        joined = opset14.concat([raised, skip], 1).output(0)
        image = stack(weights.of("stages", number), joined, given, count, width, kernel)
    head = weights.of("head")
    return convolution(head, image, given.outputs, ones_of(image), bias=given.head_bias)


def plain_unet(weights: NamedWeights, image: openvino.Output, **arguments: Any) -> openvino.Output:
    """Builds nnU-Net's plain U-Net of Osteon's own arguments."""
    return unet(weights, image, False, **plain_arguments(**arguments))


def subpixel_unet(
    weights: NamedWeights,
    image: openvino.Output,
    dimensions: int,
    outputs: int,
    filters: Sequence[int],
    inputs: int = 1,
) -> openvino.Output:
    """Builds a SubpixelUNet: blocks of voxels enter and leave as channels."""
    voxels = SUBPIXELS**dimensions
    blocks = opset14.space_to_depth(image, "depth_first", SUBPIXELS).output(0)
    inner = plain_arguments(dimensions, voxels * outputs, filters, voxels * inputs)
    found = unet(weights.of("unet"), blocks, False, **inner)
    return opset14.depth_to_space(found, "depth_first", SUBPIXELS).output(0)


def level_reader(
    weights: NamedWeights,
    image: openvino.Output,
    dimensions: int,
    outputs: int,
    filters: Sequence[int],
    inputs: int = 2,
) -> openvino.Output:
    """Builds a LevelReader: pooled features of the patch and of those at the bone, and two linear layers."""
    given = UNetArguments(**plain_arguments(dimensions, outputs, filters, inputs))
    features = image
    for number, width in enumerate(filters):
        stage, count = weights.of("stages", number), 2 if number else 1
        features = stack(stage, features, given, count, width, given.kernels[number], given.strides[number])
    step = 2 ** (len(filters) - 1)
    outline = opset14.slice(image, *(integers(n) for n in (inputs - 1, inputs, 1, 1)))
    outline = flat(means(outline.output(0), [step] * dimensions))
    features = flat(features)
    last = integers(-1)
    at_bone = opset14.reduce_sum(opset14.multiply(features, outline), last, False)
    weight = opset14.add(opset14.reduce_sum(outline, last, False), np.array([[1e-3]], np.float32))
    mean = opset14.reduce_mean(features, last, False)
    pooled = opset14.concat([mean, divided(at_bone, weight)], 1).output(0)
    hidden = linear(weights.of("hidden"), pooled, filters[-1])
    return linear(weights.of("heads"), leaky_relu(hidden, 0.01), outputs)


def integers(*numbers: int) -> openvino.Node:
    """Returns a constant vector of integers."""
    return opset14.constant(np.array(numbers, np.int64))


def flat(image: openvino.Output) -> openvino.Output:
    """Returns an image (1, C, ...) as (1, C, voxels)."""
    return opset14.reshape(image, integers(0, 0, -1), True).output(0)


def divided(above: openvino.Node, below: openvino.Node) -> openvino.Node:
    """Returns a quotient that is rounded once."""
    found = opset14.divide(above, below)
    # Without this mark, which OpenVINO's conversion of torch's networks sets too, OpenVINO multiplies by the
    # rounded reciprocal
    found.get_rt_info()["nonconvertable_divide_0"] = ""
    return found


def linear(weights: NamedWeights, values: openvino.Output, outputs: int) -> openvino.Output:
    """Builds a linear layer of values (1, C)."""
    weight = weights.take("weight", outputs, channels_of(values))
    found = opset14.matmul(values, constant(weight), False, True)
    return opset14.add(found, constant(weights.take("bias", outputs).reshape(1, -1))).output(0)


# Each adds the layers of an architecture to an image (1, inputs, ...)
BUILDERS: dict[str, Callable[..., openvino.Output]] = {
    "plain_unet": plain_unet,
    "subpixel_unet": subpixel_unet,
    "level_reader": level_reader,
    **{
        name: lambda weights, image, residual=residual, **arguments: unet(
            weights, image, residual, **arguments
        )
        for name, residual in NNUNET_RESIDUAL.items()
    },
}
