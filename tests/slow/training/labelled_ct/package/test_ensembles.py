"""Networks of several folds as one: it gives the mean of their probabilities; one of them starts others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from operators.networks.architectures.architecture_table import build
from operators.networks.runtimes import Device, load_network
from operators.packages.packages import NetworkSpec
from tests.unit.training.labelled_ct.test_figures import result, score
from training.labelled_ct.package.ensembles import ensemble_row, member_of, member_row, merge
from training.labelled_ct.package.installation import installed_folds
from training.loop.starting_weights import stored_weights

ARGUMENTS: dict[str, object] = {"dimensions": 3, "inputs": 1, "outputs": 2, "filters": [4, 8]}
ROW = {"architecture": "subpixel_unet", "arguments": ARGUMENTS, "weights": "fine.safetensors"}


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """The weights of two networks."""
    paths = [tmp_path / f"{number}.safetensors" for number in range(2)]
    for number, path in enumerate(paths):
        torch.manual_seed(number)
        save_file(build("subpixel_unet", **ARGUMENTS).state_dict(), path)
    return paths


def spec_of(row: dict[str, object], weights: Path, sha256: str) -> NetworkSpec:
    arguments = row["arguments"]
    assert isinstance(arguments, dict)
    return NetworkSpec(
        "fine", str(row["architecture"]), arguments, weights, sha256,
        (1.0,) * 3, (8, 8, 8), (0.0, 1.0), ("background", "bone"),
    )  # fmt: skip


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
def test_an_ensemble_gives_the_mean_of_its_networks_probabilities(
    files: list[Path], tmp_path: Path, runtime: str
) -> None:
    whole = merge(files, tmp_path / "both.safetensors")
    spec = spec_of(ensemble_row(ROW, 2, whole), tmp_path / "both.safetensors", whole)
    patch = np.random.default_rng(0).random((8, 8, 8)).astype(np.float32)
    found = torch.from_numpy(load_network(spec, Device(runtime, 1, "f32"))(patch)).softmax(dim=0)
    each = []
    for path in files:
        network = build("subpixel_unet", **ARGUMENTS)
        network.load_state_dict(stored_weights(path, torch.device("cpu")))
        with torch.inference_mode():
            each.append(network.eval()(torch.from_numpy(patch)[None, None])[0].softmax(dim=0))
    assert torch.abs(each[0] - each[1]).max() > 0.01
    torch.testing.assert_close(found, (each[0] + each[1]) / 2, atol=1e-4, rtol=0)


def test_a_training_starts_from_the_first_network_of_an_ensemble(files: list[Path], tmp_path: Path) -> None:
    whole = merge(files, tmp_path / "both.safetensors")
    row = ensemble_row(ROW, 2, whole)
    assert member_row(row) == {**ROW, "sha256": whole}
    assert member_row(ROW) == ROW
    spec = spec_of(row, tmp_path / "both.safetensors", whole)
    one = member_of(spec)
    assert (one.architecture, one.arguments) == ("subpixel_unet", ARGUMENTS)
    assert member_of(one) == one
    first, best = (stored_weights(path, torch.device("cpu")) for path in (files[0], spec.weights))
    assert first.keys() == best.keys()
    assert all(torch.equal(first[name], best[name]) for name in first)


def test_the_folds_that_found_something_are_installed_the_best_first() -> None:
    found = [result(1, score("1", "p", a=0.4)), result(2, score("2", "q", a=0.0)), result(3, score("3", "r"))]
    folds = [*found, result(4, score("4", "s", a=0.9))]
    assert [fold.number for fold in installed_folds(folds, is_ensemble=True)] == [4, 1]
    assert [fold.number for fold in installed_folds(folds, is_ensemble=False)] == [4]
    assert installed_folds(found[1:], is_ensemble=True) == []
