"""Converts torch's networks to OpenVINO: those that `openvino_graph.py` does not build."""

from __future__ import annotations

import warnings

import openvino
import torch
from torch import nn

from operators.networks.architectures.unet_arguments import strides_of
from operators.packages.packages import NetworkSpec


def convert_to_openvino(network: nn.Module, spec: NetworkSpec) -> openvino.Model:
    """Returns torch's network for patches of its own size."""
    return traced(network, (1, spec.inputs, *spec.patch), traced_sides(spec))


def traced(network: nn.Module, shape: tuple[int, ...], sides: tuple[int, ...]) -> openvino.Model:
    """Returns the network for patches of `shape`, traced with a patch of `sides` and frozen first.

    OpenVINO's own tracing gives the same result, but loads 150 MB of libraries. nnU-Net's networks contain no
    tensor sizes, so that tracing a small patch is valid for any size.
    """
    example = torch.zeros(1, shape[1], *sides)
    with warnings.catch_warnings(), torch.no_grad():
        # Tracing fixes the shapes in other networks to those of the patch, which never changes
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # type: ignore[attr-defined]
        warnings.simplefilter("ignore", DeprecationWarning)
        frozen = torch.jit.freeze(torch.jit.trace(network, example, check_trace=False))
        return openvino.convert_model(frozen, example_input=example, input=list(shape))


def traced_sides(spec: NetworkSpec) -> tuple[int, ...]:
    """Returns the smallest patch that leaves the coarsest features two voxels, which norms need."""
    strides = strides_of(spec) or spec.patch
    return tuple(min(2 * stride, side) for stride, side in zip(strides, spec.patch, strict=True))
