"""The fast OpenVINO graph gives the numbers of the traced network, which is used where it cannot be built."""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from operators.networks.architectures.architecture_table import build
from operators.networks.fast_openvino.conversion import traced
from operators.networks.fast_openvino.openvino_graph import build_openvino_model

STAGES: dict[str, Any] = {
    "features": (4, 6, 8), "kernels": ((1, 3, 3), (3, 3, 3), (3, 3, 3)), "blocks": (1, 2, 2),
    "strides": ((1, 1, 1), (1, 2, 2), (2, 2, 2)), "decoder_blocks": (2, 1), "outputs": 3, "inputs": 2,
}  # fmt: skip
FLAT: dict[str, Any] = {**STAGES, "kernels": ((3, 3),) * 3, "strides": ((1, 1), (2, 2), (2, 2))}
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("nnunet_plain", {"dimensions": 3, **STAGES}),
    "residual": ("nnunet_residual", {"dimensions": 3, **STAGES}),
    "slices": ("nnunet_plain", {"dimensions": 2, **FLAT}),
    "batch norm": ("nnunet_plain", {"dimensions": 3, **STAGES, "norm": "batch", "activation": "relu"}),
    "batch norm of slices": ("nnunet_residual", {"dimensions": 2, **FLAT, "norm": "batch"}),
    "no norm": ("nnunet_plain", {"dimensions": 3, **STAGES, "norm": "none"}),
    "norms without weights": ("nnunet_plain", {"dimensions": 3, **STAGES, "norm_affine": False}),
    "no biases": (
        "nnunet_plain",
        {"dimensions": 3, **STAGES, "bias": False, "upsampling_bias": False, "head_bias": False},
    ),
    "subpixels": ("subpixel_unet", {"dimensions": 3, "inputs": 2, "outputs": 3, "filters": (4, 6, 8)}),
    "plain of Osteon": ("plain_unet", {"dimensions": 3, "inputs": 2, "outputs": 3, "filters": (4, 6, 8)}),
    "levels": ("level_reader", {"dimensions": 3, "inputs": 2, "outputs": 3, "filters": (4, 6, 8)}),
    "subpixels of slices": ("subpixel_unet", {"dimensions": 2, "inputs": 2, "outputs": 3, "filters": (4, 6)}),
}
SIDES = (16, 24, 32)
# Of the largest number: both orders of a sum in single precision
ROUNDING = 16 * float(np.finfo(np.float32).eps)


def answer(model: openvino.Model, image: torch.Tensor) -> NDArray[np.float32]:
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    found: NDArray[np.float32] = openvino.Core().compile_model(model, "CPU", options)([image.numpy()])[0]
    return found


def randomised(network: nn.Module) -> nn.Module:
    """Norms, too, whose weights are all one in a new network."""
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) - 0.3 if tensor.dim() > 1 else torch.rand_like(tensor) + 0.1)
    return network.eval()


def arrays(network: nn.Module) -> dict[str, NDArray[np.float32]]:
    return {name: tensor.float().numpy() for name, tensor in network.state_dict().items()}


@pytest.mark.parametrize("name", NETWORKS)
def test_drawn_and_traced_say_the_same(name: str) -> None:
    torch.manual_seed(0)
    architecture, arguments = NETWORKS[name]
    network = randomised(build(architecture, **arguments))
    image = torch.rand(1, 2, *SIDES[: arguments["dimensions"]])
    shape = tuple(image.shape)
    model = build_openvino_model(architecture, arguments, arrays(network), shape)
    assert model is not None
    expected = answer(traced(network, shape, shape[2:]), image)
    np.testing.assert_allclose(answer(model, image), expected, rtol=0, atol=ROUNDING * abs(expected).max())
    with torch.no_grad():
        np.testing.assert_allclose(
            answer(model, image), network(image).numpy(), rtol=0, atol=1e-4 * abs(expected).max()
        )


def test_levels_are_scored_to_the_last_bit_as_by_the_traced_network() -> None:
    torch.manual_seed(0)
    architecture, arguments = NETWORKS["levels"]
    network = randomised(build(architecture, **arguments))
    image = torch.rand(1, 2, *SIDES)
    model = build_openvino_model(architecture, arguments, arrays(network), tuple(image.shape))
    assert model is not None
    expected = answer(traced(network, tuple(image.shape), SIDES), image)
    np.testing.assert_array_equal(answer(model, image), expected)


PLAIN: tuple[str, dict[str, Any]] = NETWORKS["plain of Osteon"]
SHAPE = (1, 2, *SIDES)


def test_an_architecture_without_a_builder_is_not_drawn() -> None:
    assert build_openvino_model("radiograph_reader", {}, {}, (1, 1, 64, 64)) is None


@pytest.mark.parametrize(
    "changed", [{"depth": 3}, {"outputs": 4}, {"inputs": 1}, {"filters": (4, 6)}, {"dimensions": 2}]
)
def test_arguments_that_do_not_fit_the_weights_are_not_drawn(changed: dict[str, Any]) -> None:
    architecture, arguments = PLAIN
    weights = arrays(build(architecture, **arguments))
    assert build_openvino_model(architecture, arguments, weights, SHAPE) is not None
    assert build_openvino_model(architecture, arguments | changed, weights, SHAPE) is None


@pytest.mark.parametrize("changed", ["more", "fewer", "other shape"])
def test_weights_of_another_network_are_not_drawn(changed: str) -> None:
    architecture, arguments = PLAIN
    weights = arrays(build(architecture, **arguments))
    name = "decoder.head.bias"
    if changed == "more":
        weights["other"] = weights[name]
    elif changed == "fewer":
        del weights[name]
    else:
        weights[name] = weights[name][:1]
    assert build_openvino_model(architecture, arguments, weights, SHAPE) is None


def test_unknown_norms_and_nonlinearities_are_not_drawn() -> None:
    architecture, arguments = NETWORKS["plain"]
    weights = arrays(build(architecture, **arguments))
    for unknown in ({"norm": "group"}, {"activation": "gelu"}):
        assert build_openvino_model(architecture, arguments | unknown, weights, SHAPE) is None
