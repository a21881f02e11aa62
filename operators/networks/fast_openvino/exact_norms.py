"""Replaces instance norms of an OpenVINO network by norms whose means are exact in single precision.

OpenVINO's own norm (MVN) sums all voxels of a channel one after another, so that a large patch loses three
digits. Here each mean is computed axis by axis, by pooling a few hundred values at a time.
"""

from __future__ import annotations

import numpy as np
import openvino
from openvino import opset14

# Batch and channels come before the axes over which an instance norm is computed
LEADING = 2


def with_exact_norms(model: openvino.Model) -> openvino.Model:
    """Returns `model`, whose shapes are fixed, with exact instance norms; norms over other axes stay."""
    for node in model.get_ordered_ops():
        if node.get_type_name() == "MVN" and is_instance_norm(node):
            node.output(0).replace(normalised(node.input_value(0), node.get_attributes()["eps"]).output(0))
    model.validate_nodes_and_infer_types()
    return model


def is_instance_norm(node: openvino.Node) -> bool:
    """Returns whether mean and deviation are computed over all axes except the leading ones."""
    rank = len(node.get_input_shape(0))
    axes = node.input_value(1).get_node().get_data().ravel().tolist()
    about = node.get_attributes()
    inside = about["normalize_variance"] and about["eps_mode"].lower() == "inside_sqrt"
    return inside and sorted(axis % rank for axis in axes) == list(range(LEADING, rank))


def normalised(features: openvino.Output, eps: float) -> openvino.Node:
    """Returns features (N, C, ...) minus their mean, divided by their deviation."""
    apart = opset14.subtract(features, mean(features))
    variance = mean(opset14.multiply(apart, apart).output(0))
    deviation = opset14.sqrt(opset14.add(variance, opset14.constant(np.float32(eps))))
    # One division for each channel instead of one for each voxel
    return opset14.multiply(apart, opset14.divide(opset14.constant(np.float32(1)), deviation))


def mean(features: openvino.Output) -> openvino.Output:
    """Returns the mean over all voxels of each channel, first along the last axis, which is contiguous."""
    sides = list(features.get_shape())[LEADING:]
    for axis in reversed(range(len(sides))):
        kernel = [side if number == axis else 1 for number, side in enumerate(sides)]
        none = [0] * len(sides)
        features = opset14.avg_pool(features, kernel, none, none, kernel, True).output(0)
    return features
