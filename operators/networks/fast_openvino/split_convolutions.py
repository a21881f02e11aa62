"""Splits convolutions of an OpenVINO network over concatenated features into a sum of one for each part.

OpenVINO copies concatenated features. At the finest stage of a U-Net these copies are its largest buffers:
without them a network of FracSegNet's size takes 110 MB less in bf16, 250 MB less in single precision, and
slightly less time. In bf16 one more sum is rounded, which changed the error by a hundredth of itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from math import prod

import numpy as np
import openvino
from openvino import opset14

# The axis of channels in features, and of inputs in a convolution's weights
CHANNELS = 1
# Least number of concatenated values: smaller copies, of 30 MB in bf16, are not worth another rounding
LEAST_VALUES = 1 << 24


def with_split_convolutions(model: openvino.Model, least_values: int = LEAST_VALUES) -> openvino.Model:
    """Returns `model`, of fixed shapes, without copies of features that only a convolution concatenates."""
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Convolution" and reads_joined(node, least_values):
            node.output(0).replace(reduce(opset14.add, parts(node)).output(0))
    model.validate_nodes_and_infer_types()
    return model


def reads_joined(convolution: openvino.Node, least_values: int) -> bool:
    """Returns whether a convolution of constant weights reads many values concatenated along channels."""
    joined, weights = (value.get_node() for value in convolution.input_values())
    if (joined.get_type_name(), weights.get_type_name()) != ("Concat", "Constant"):
        return False
    shape = joined.get_output_shape(0)
    return joined.get_attributes()["axis"] % len(shape) == CHANNELS and prod(shape) >= least_values


def parts(convolution: openvino.Node) -> Iterator[openvino.Node]:
    """Yields one convolution for each of the concatenated features, with its share of the weights."""
    weights, about = convolution.input_value(1).get_node().get_data(), convolution.get_attributes()
    begin = 0
    for features in convolution.input_value(0).get_node().input_values():
        end = begin + features.get_shape()[CHANNELS]
        share = opset14.constant(np.ascontiguousarray(weights[:, begin:end]))
        yield opset14.convolution(
            features,
            share,
            about["strides"],
            about["pads_begin"],
            about["pads_end"],
            about["dilations"],
            about["auto_pad"],
        )
        begin = end
