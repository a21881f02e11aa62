"""OpenVINO's instance norms are as exact as single precision allows, for any patch size."""

from __future__ import annotations

import numpy as np
import openvino
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from operators.networks.fast_openvino.exact_norms import with_exact_norms

Array = NDArray[np.floating]
CHANNELS, DEPTH = 4, 3
CONVOLUTIONS = {2: nn.Conv2d, 3: nn.Conv3d}
NORMS = {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}
# Of the output's deviation: roundings of single precision that add up. OpenVINO's own norms are off by 100
EXACT = 16 * np.finfo(np.float32).eps
# Powers of two, primes, a single row; a plane as large as published networks of two dimensions have
PATCHES = ((64, 48, 56), (41, 53, 47), (1, 96, 80), (384, 320), (211, 223))


def network_for(patch: tuple[int, ...]) -> nn.Module:
    """Convolutions with norms, each of which hands its error on."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for number in range(DEPTH):
        layers += [
            CONVOLUTIONS[len(patch)](CHANNELS if number else 1, CHANNELS, 3, padding=1),
            NORMS[len(patch)](CHANNELS, affine=True),
            nn.LeakyReLU(0.01),
        ]
    return nn.Sequential(*layers).eval()


def model_of(network: nn.Module, patch: torch.Tensor) -> openvino.Model:
    """The same for OpenVINO."""
    with torch.no_grad():
        traced = torch.jit.freeze(torch.jit.trace(network, patch, check_trace=False))
    return openvino.convert_model(traced, example_input=patch, input=list(patch.shape))


def answer(model: openvino.Model, patch: torch.Tensor) -> Array:
    """Its output in single precision."""
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    found: Array = openvino.Core().compile_model(model, "CPU", options)([patch.numpy()])[0]
    return found


@pytest.mark.parametrize("sides", PATCHES, ids=str)
def test_norms_are_exact_beside_double_precision(sides: tuple[int, ...]) -> None:
    network = network_for(sides)
    # HU that were not normalised: the mean is larger than what differs from it
    patch = torch.from_numpy(np.random.default_rng(0).normal(3, 1, (1, 1, *sides)).astype(np.float32))
    got = answer(with_exact_norms(model_of(network, patch)), patch)
    with torch.no_grad():
        truth = network.double()(patch.double()).numpy()
    assert np.sqrt(np.mean((got - truth) ** 2)) < EXACT * truth.std()


def test_norms_over_other_axes_stay_as_they_are() -> None:
    patch = torch.zeros(1, 3, 5, 4)
    model = with_exact_norms(model_of(nn.LayerNorm(4).eval(), patch))
    assert "MVN" in [node.get_type_name() for node in model.get_ordered_ops()]
    assert answer(model, patch).shape == patch.shape
