"""Weights are checked before they are read, and both runtimes give the same output."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch

from operators.errors import ModelError, UsageError
from operators.networks.architectures.architecture_table import build
from operators.networks.registry import Networks
from operators.networks.runtimes import Device, load_network
from operators.package_files.package_reader import read_coarse_to_fine_package, read_package
from operators.packages.packages import NetworkSpec
from tests.support.packages.synthetic_packages import FILTERS, random_weights, saved, write_package

TORCH = Device("torch", threads=1)
OPENVINO = Device("openvino", threads=1, precision="f32")


@pytest.fixture
def spec(tmp_path: Path) -> NetworkSpec:
    return read_coarse_to_fine_package(write_package(tmp_path / "bones")).fracture


def replaced(spec: NetworkSpec, content: bytes) -> NetworkSpec:
    spec.weights.write_bytes(content)
    return replace(spec, sha256=sha256(content).hexdigest())


def test_altered_weights_are_refused(spec: NetworkSpec) -> None:
    content = bytearray(spec.weights.read_bytes())
    content[-1] ^= 1
    spec.weights.write_bytes(content)
    with pytest.raises(ModelError, match=r"bones/fracture\.safetensors to have SHA-256") as error:
        load_network(spec, TORCH)
    assert error.value.code == "weights_altered"


def test_weights_without_a_stated_sum_are_refused(spec: NetworkSpec) -> None:
    with pytest.raises(ModelError) as error:
        load_network(replace(spec, sha256=""), TORCH)
    assert error.value.code == "weights_altered"


def test_missing_weights_are_named(spec: NetworkSpec) -> None:
    spec.weights.unlink()
    with pytest.raises(ModelError, match=r"bones/fracture\.safetensors") as error:
        load_network(spec, TORCH)
    assert error.value.code == "weights_missing"
    assert str(spec.weights.parent.parent) not in str(error.value)


def test_weights_of_another_network_do_not_fit(spec: NetworkSpec) -> None:
    with pytest.raises(ModelError, match=r"fracture\.safetensors") as error:
        load_network(replaced(spec, random_weights(7)), TORCH)
    assert error.value.code == "weights_do_not_fit"


def test_a_file_that_holds_no_weights_does_not_fit(spec: NetworkSpec) -> None:
    with pytest.raises(ModelError, match="safetensors") as error:
        load_network(replaced(spec, b"\x80\x04these are no weights"), TORCH)
    assert error.value.code == "weights_do_not_fit"


def test_an_unknown_architecture_is_named_with_those_that_are_known(spec: NetworkSpec) -> None:
    with pytest.raises(ModelError, match=r"plain_unet.*got 'crystal_ball'") as error:
        load_network(replace(spec, architecture="crystal_ball"), TORCH)
    assert error.value.code == "architecture_unknown"


def test_unknown_arguments_of_an_architecture_are_named(spec: NetworkSpec) -> None:
    with pytest.raises(ModelError, match="depth") as error:
        load_network(replace(spec, arguments={"depth": 3}), TORCH)
    assert error.value.code == "architecture_arguments"


def test_an_unknown_runtime_is_named(spec: NetworkSpec) -> None:
    with pytest.raises(ModelError, match="openvino, torch, got 'abacus'"):
        load_network(spec, Device("abacus"))


def test_a_gpu_that_is_asked_for_and_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ModelError, match="expected a GPU with CUDA") as error:
        Device(where="cuda").require()
    assert (error.value.code, error.value.exit_code) == ("cuda_missing", 5)
    assert [Device(where=where).chosen for where in ("auto", "cpu")] == ["openvino"] * 2
    Device(where="cpu").require()


def test_a_gpu_is_taken_unless_the_cpu_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    chosen = [Device(where=where).chosen for where in ("auto", "cuda", "cpu")]
    assert chosen == ["torch", "torch", "openvino"]
    assert not Device("torch", where="cpu").is_cuda
    with pytest.raises(UsageError, match="for device cuda, got openvino"):
        Device("openvino", where="cuda").require()


@pytest.mark.parametrize(
    ("device", "asked", "chosen"),
    [
        (Device(), "torch", "torch"),
        (Device(), "", "openvino"),
        (Device(precision="f32"), "torch", "torch"),
        (Device(precision="bf16"), "torch", "openvino"),
        (Device("openvino"), "torch", "openvino"),
        (Device("torch"), "", "torch"),
    ],
)
def test_a_runtime_that_a_network_asks_for_is_taken_in_single_precision_unless_another_is_wanted(
    spec: NetworkSpec, device: Device, asked: str, chosen: str
) -> None:
    assert device.asked_by(replace(spec, precision="f32", runtime=asked)).chosen == chosen
    assert device.asked_by(replace(spec, precision="", runtime="")).runtime == device.runtime


@pytest.mark.parametrize("architecture", ["plain_unet", "subpixel_unet"])
def test_openvino_and_torch_agree(spec: NetworkSpec, architecture: str) -> None:
    arguments = {"dimensions": 3, "outputs": 3, "filters": FILTERS}
    content = saved(build(architecture, **arguments))
    spec = replace(replaced(spec, content), architecture=architecture, arguments=arguments)
    patch = np.random.default_rng(0).random(spec.patch, np.float32)
    first, second = load_network(spec, TORCH), load_network(spec, OPENVINO)
    assert first(patch).shape == (3, *spec.patch)
    np.testing.assert_allclose(second(patch), first(patch), atol=1e-3)
    for network in (first, second):
        before = network(patch).copy()
        network.rest()
        np.testing.assert_array_equal(network(patch), before)
    assert (first.name, second.name) == ("torch", "openvino")
    assert (first.precision, second.precision) == ("f32", "f32")


def test_a_network_of_levels_scores_alike_in_both(spec: NetworkSpec) -> None:
    arguments = {"dimensions": 3, "inputs": 2, "outputs": 5, "filters": FILTERS}
    content = saved(build("level_reader", **arguments))
    spec = replace(spec, architecture="level_reader", arguments=arguments, guide=("outline",))
    level = replaced(replace(spec, classes=tuple("abcde")), content)
    patch = np.random.default_rng(0).random((2, *spec.patch), np.float32)
    patch[1] = patch[1] > 0.7
    first, second = load_network(level, TORCH), load_network(level, OPENVINO)
    assert first(patch).shape == (5,)
    np.testing.assert_allclose(second(patch), first(patch), atol=1e-3)


def test_a_guided_network_reads_its_guide(spec: NetworkSpec) -> None:
    arguments = {"dimensions": 3, "inputs": 3, "outputs": 3, "filters": FILTERS}
    content = saved(build("subpixel_unet", **arguments))
    spec = replace(spec, architecture="subpixel_unet", arguments=arguments, guide=("middle", "side_left"))
    guided = replaced(spec, content)
    patch = np.random.default_rng(0).random((3, *spec.patch), np.float32)
    other = patch.copy()
    other[2] = 0
    first, second = load_network(guided, TORCH), load_network(guided, OPENVINO)
    np.testing.assert_allclose(second(patch), first(patch), atol=1e-3)
    assert not np.allclose(first(other), first(patch), atol=1e-3)


def test_a_view_of_another_array_order_is_read_as_it_is_indexed(spec: NetworkSpec) -> None:
    patch = np.random.default_rng(1).random(spec.patch, np.float32)
    for device in (TORCH, OPENVINO):
        network = load_network(spec, device)
        turned = np.asfortranarray(patch)
        np.testing.assert_array_equal(network(turned).copy(), network(patch))


def test_each_network_is_loaded_once(tmp_path: Path) -> None:
    package = read_package(write_package(tmp_path / "bones"))
    networks = Networks(TORCH)
    loaded = [networks.get(spec) for spec in (*package.networks, *package.networks)]
    assert len({id(network) for network in loaded}) == 3
    assert loaded[:3] == loaded[3:]
