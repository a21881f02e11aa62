"""Published networks give the same labels as nnU-Net itself, whose results are in tests/references."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from operators.geometry.volume import CtVolume, Grid
from operators.importing.formats import read_published
from operators.importing.install import NewPackage, install
from operators.importing.label_tables import label_rows, named_table
from operators.importing.published import PublishedModel, Wanted
from operators.networks.architectures.architecture_table import build
from operators.networks.registry import Networks
from operators.networks.runtimes import Device, TorchRuntime
from operators.package_files.package_reader import read_package
from operators.pipelines.several import segment
from tests.support.packages.label_agreement import assert_labels_of_original
from tests.support.packages.synthetic_nnunet import CASES, Case, made_image, write_v2
from tests.support.packages.synthetic_nnunet_v1 import V1_CASES, write_v1

STORED = Path(__file__).parents[3] / "references"
REFERENCES = {**np.load(STORED / "nnunet_v1.npz"), **np.load(STORED / "nnunet_v2.npz")}
ALL = (*CASES, *V1_CASES)
# By value: version 1 keeps no names
TABLE = """
[labels]
sacrum = { meaning = "Sacrum", value = 1, type = { value = "54735007", scheme = "SCT", meaning = "Sacrum" } }
hip = { meaning = "Hip", value = 2, type = { value = "29836001", scheme = "SCT", meaning = "Hip" } }
"""


def published(case: Case, folder: Path) -> PublishedModel:
    """The model of a case as it is read from its folder."""
    write = write_v1 if case in V1_CASES else write_v2
    model = read_published(write(case, folder / "published"), Wanted())
    assert isinstance(model, PublishedModel)
    return model


def installed(case: Case, folder: Path) -> Path:
    """The package of a case."""
    model = published(case, folder)
    table = folder / "table.toml"
    table.write_text(TABLE)
    rows = label_rows(model.values, named_table(str(table)), by_value=True)
    return install(model, NewPackage("made", "Made", rows, "LPS"), folder / "models")


def axial(case: Case, image: NDArray[np.float32]) -> CtVolume:
    """The image as a CT whose columns run to left, posterior, superior."""
    z, y, x = case.spacing_mm
    return CtVolume(image.transpose(2, 1, 0), Grid(image.shape[::-1], np.diag([x, y, z, 1.0]), "1.2.3"))


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_every_tensor_is_in_its_place(case: Case, tmp_path: Path) -> None:
    model = published(case, tmp_path)
    network = build(model.architecture, **model.arguments)
    network.load_state_dict(model.weights(model.checkpoints["fold_0"]), strict=True)
    first = (1,) * (3 - case.dimensions) + case.patch
    corner = made_image()[tuple(slice(0, side) for side in first)].reshape(case.patch)
    channels = np.stack([corner / 500, *(corner > 100 * number for number in range(1, case.inputs))])
    with torch.no_grad():
        logits = network.eval()(torch.from_numpy(channels.astype(np.float32)[None]))[0].numpy()
    kept = logits[(slice(None), *[slice(None, None, 5)] * case.dimensions)]
    np.testing.assert_allclose(kept, REFERENCES[f"{case.name}.logits"], atol=2e-4)


@pytest.mark.parametrize("runtime", ["torch", "openvino"])
@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_the_labels_are_those_of_the_original(case: Case, runtime: str, tmp_path: Path) -> None:
    package = read_package(installed(case, tmp_path) / "package.toml")
    networks = Networks(Device(runtime, threads=1))
    result = segment(axial(case, made_image()), [package], networks, lambda *_: None)
    expected = REFERENCES[f"{case.name}.labels"].transpose(2, 1, 0)
    assert_labels_of_original(result, expected)


@pytest.mark.parametrize(
    "case", [case for case in ALL if case.name in ("plain", "slices", "cascade")], ids=lambda case: case.name
)
def test_the_fast_mode_finds_the_same_classes_and_says_how_it_ran(case: Case, tmp_path: Path) -> None:
    package = read_package(installed(case, tmp_path) / "package.toml")
    networks = Networks(Device("torch", threads=1), "fast")
    result = segment(axial(case, made_image()), [package], networks, lambda *_: None)
    assert {segment.value for segment in result.segments} == {1, 2}
    assert [way.network for way in result.network_runs] == [spec.name for spec in package.networks]
    assert {(way.runtime, way.tiling, way.overlap) for way in result.network_runs} == {
        ("torch", "fast", 0.25)
    }


@pytest.mark.parametrize(
    ("device", "mode", "runtimes"),
    [
        (Device(threads=1), "exact", {"torch", "openvino"}),
        (Device("openvino", threads=1), "exact", {"openvino"}),
        (Device(threads=1), "fast", {"openvino"}),
    ],
)
@pytest.mark.parametrize("case", [case for case in ALL if case.before], ids=lambda case: case.name)
def test_what_a_cascade_reads_of_its_first_stage_has_the_originals_sums_where_it_is_to_be_exact(
    case: Case, device: Device, mode: str, runtimes: set[str], tmp_path: Path
) -> None:
    package = read_package(installed(case, tmp_path) / "package.toml")
    result = segment(axial(case, made_image()), [package], Networks(device, mode), lambda *_: None)
    ran = {way.network.startswith("previous_"): way.runtime for way in result.network_runs}
    assert set(ran.values()) == runtimes
    assert ran[False] == "openvino"
    if mode == "exact":
        assert_labels_of_original(result, REFERENCES[f"{case.name}.labels"].transpose(2, 1, 0))


@pytest.mark.parametrize(
    "case", [case for case in ALL if case.name in ("plain", "cascade")], ids=lambda case: case.name
)
def test_labels_made_while_the_next_rows_are_run_are_the_same(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = read_package(installed(case, tmp_path) / "package.toml")
    networks = Networks(Device("torch", threads=1))
    runs = [networks.get(spec) for spec in package.networks]
    assert runs
    threads: set[str] = set()
    run = TorchRuntime.__call__

    def watched(runtime: TorchRuntime, patch: np.ndarray) -> np.ndarray:
        threads.add(threading.current_thread().name.split("_")[0])
        return run(runtime, patch)

    monkeypatch.setattr(TorchRuntime, "__call__", watched)
    # The networks are loaded and stay on the CPU
    monkeypatch.setattr(Device, "is_cuda", True)
    result = segment(axial(case, made_image()), [package], networks, lambda *_: None)
    assert threads == {"prefetch"}
    assert_labels_of_original(result, REFERENCES[f"{case.name}.labels"].transpose(2, 1, 0))
