"""A convolution over concatenated features equals the sum of convolutions over each part."""

from __future__ import annotations

import numpy as np
import openvino
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from operators.networks.fast_openvino.split_convolutions import with_split_convolutions

Array = NDArray[np.floating]
CONVOLUTIONS = {2: nn.Conv2d, 3: nn.Conv3d}
# Of the output's deviation: roundings of single precision in sums of some hundred products
SAME = 8 * np.finfo(np.float32).eps


class Joined(nn.Module):
    """Three kinds of features side by side, then a layer that reads them all."""

    def __init__(self, dimensions: int, last: nn.Module, axis: int = 1) -> None:
        super().__init__()
        self.features = nn.ModuleList([CONVOLUTIONS[dimensions](1, n, 3, padding=1) for n in (3, 5, 2)])
        self.last, self.axis = last, axis

    def forward(self, patch: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.last(torch.cat([each(patch) for each in self.features], self.axis))
        return answer


def model_of(network: nn.Module, patch: torch.Tensor) -> openvino.Model:
    """The same for OpenVINO."""
    with torch.no_grad():
        traced = torch.jit.freeze(torch.jit.trace(network.eval(), patch, check_trace=False))
    return openvino.convert_model(traced, example_input=patch, input=list(patch.shape))


def answer(model: openvino.Model, patch: torch.Tensor) -> Array:
    """Its output in single precision."""
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    found: Array = openvino.Core().compile_model(model, "CPU", options)([patch.numpy()])[0]
    return found


def kinds(model: openvino.Model) -> list[str]:
    """The names of its operations."""
    return [node.get_type_name() for node in model.get_ordered_ops()]


@pytest.mark.parametrize(
    ("sides", "last"),
    [
        ((12, 10, 14), nn.Conv3d(10, 4, 3, padding=1)),
        ((12, 10, 14), nn.Conv3d(10, 4, (1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1), bias=False)),
        ((20, 24), nn.Conv2d(10, 4, 3, padding=2, dilation=2)),
    ],
)
def test_features_are_no_longer_joined_and_the_answer_is_the_same(
    sides: tuple[int, ...], last: nn.Module
) -> None:
    patch = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 1, *sides)).astype(np.float32))
    network = Joined(len(sides), last)
    model = with_split_convolutions(model_of(network, patch), 1)
    assert "Concat" not in kinds(model)
    with torch.no_grad():
        expected = network(patch).numpy()
    assert np.sqrt(np.mean((answer(model, patch) - expected) ** 2)) < SAME * expected.std()


@pytest.mark.parametrize(
    ("last", "axis"), [(nn.MaxPool2d(2), 1), (nn.Conv2d(4, 2, 3), 2)], ids=["another layer", "another axis"]
)
def test_what_is_joined_for_other_layers_or_along_other_axes_stays(last: nn.Module, axis: int) -> None:
    patch = torch.zeros(1, 1, 8, 8)
    network = Joined(2, last, axis)
    if axis != 1:
        network.features = nn.ModuleList([nn.Conv2d(1, 4, 3, padding=1) for _ in range(3)])
    assert "Concat" in kinds(with_split_convolutions(model_of(network, patch), 1))


def test_small_copies_stay() -> None:
    patch = torch.zeros(1, 1, 8, 8)
    model = model_of(Joined(2, nn.Conv2d(10, 2, 3)), patch)
    assert "Concat" in kinds(with_split_convolutions(model, 10 * 8 * 8 + 1))
    assert "Concat" not in kinds(with_split_convolutions(model, 10 * 8 * 8))
