"""Weights are in a private copy, and take no memory while nobody reads them."""

from __future__ import annotations

import json
import re
import resource
import tempfile
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save

from operators.errors import ModelError
from operators.networks.runtimes import Device, Runtime, load_network
from operators.networks.weights import load_weights
from operators.package_files.package_reader import read_coarse_to_fine_package
from operators.packages.packages import NetworkSpec
from tests.support.faults.small_disk import fill, small_disk
from tests.support.packages.synthetic_packages import write_package

RUNTIMES = ("openvino", "torch")
TENSORS = {
    "single": torch.arange(6.0).reshape(2, 3),
    "half": torch.arange(5.0).to(torch.bfloat16),
    "number": torch.tensor(7),
    "yes": torch.tensor([True, False]),
}
LARGE_MB = 64


@pytest.fixture
def spec(tmp_path: Path) -> NetworkSpec:
    return read_coarse_to_fine_package(write_package(tmp_path / "bones")).fracture


def written(path: Path, content: bytes) -> tuple[Path, str]:
    path.write_bytes(content)
    return path, sha256(content).hexdigest()


def answer(runtime: Runtime, spec: NetworkSpec) -> bytes:
    patch = np.linspace(0, 1, np.prod(spec.patch), dtype=np.float32).reshape(spec.patch)
    return runtime(patch).tobytes()


def mapped_kb(tensor: torch.Tensor) -> int:
    """What this process holds in memory of the mapping that a tensor lies in."""
    entry = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) .*?^Rss: +(\d+) kB", re.MULTILINE | re.DOTALL)
    for low, high, resident_kb in entry.findall(Path("/proc/self/smaps").read_text()):
        if int(low, 16) <= tensor.data_ptr() < int(high, 16):
            return int(resident_kb)
    raise AssertionError("expected the tensor in a mapping")


def test_tensors_are_those_of_the_file(tmp_path: Path) -> None:
    found = load_weights(*written(tmp_path / "w.safetensors", save(TENSORS, {"made": "up"}))).tensors
    assert found.keys() == TENSORS.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in TENSORS.items())
    assert all(found[name].dtype == tensor.dtype for name, tensor in TENSORS.items())


@pytest.mark.parametrize("name", RUNTIMES)
def test_what_happens_to_the_file_later_changes_nothing(spec: NetworkSpec, name: str) -> None:
    runtime = load_network(spec, Device(name, threads=1))
    before = answer(runtime, spec)
    with spec.weights.open("r+b") as file:
        file.write(bytes(spec.weights.stat().st_size))
        file.truncate(1)
    assert answer(runtime, spec) == before
    spec.weights.unlink()
    assert answer(runtime, spec) == before


def test_no_file_is_left_behind(spec: NetworkSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    kept = load_weights(spec.weights, spec.sha256)
    assert kept.tensors
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("name", RUNTIMES)
def test_without_a_temporary_folder_they_lie_in_memory(
    spec: NetworkSpec, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = answer(load_network(spec, Device(name, threads=1)), spec)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    assert answer(load_network(spec, Device(name, threads=1)), spec) == expected


def test_with_a_full_temporary_folder_they_lie_in_memory(
    spec: NetworkSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = load_weights(spec.weights, spec.sha256).tensors
    with small_disk(tmp_path / "disk", 1) as disk:
        fill(disk)
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        found = load_weights(spec.weights, spec.sha256).tensors
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_resting_takes_them_out_of_memory_and_loses_nothing(tmp_path: Path) -> None:
    large = torch.arange(LARGE_MB * 1024 * 256, dtype=torch.float32)
    weights = load_weights(*written(tmp_path / "w.safetensors", save({"large": large})))
    assert torch.equal(weights.tensors["large"], large)
    # Of what was read, the kernel keeps as much as it has room for; of what rests, nothing
    assert mapped_kb(weights.tensors["large"]) > 0
    weights.rest()
    assert mapped_kb(weights.tensors["large"]) == 0
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    assert torch.equal(weights.tensors["large"], large)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt > faults


def described(**about: object) -> bytes:
    """A file of eight bytes whose one tensor is described like this."""
    header = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | about}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(8)


BAD_DESCRIPTIONS: tuple[dict[str, object], ...] = (
    {"shape": [-2]}, {"shape": [10**30]}, {"shape": "2"}, {"shape": [3]}, {"data_offsets": [-8, 0]},
    {"data_offsets": [10**30, 0]}, {"data_offsets": []}, {"data_offsets": None}, {"dtype": "F3"},
)  # fmt: skip
BAD_TENSORS = [described(**about) for about in BAD_DESCRIPTIONS]
DEEP = b"[" * 10**5


def test_a_described_tensor_is_read(tmp_path: Path) -> None:
    found = load_weights(*written(tmp_path / "w.safetensors", described())).tensors
    assert torch.equal(found["a"], torch.zeros(2))


@pytest.mark.parametrize("content", [*BAD_TENSORS, len(DEEP).to_bytes(8, "little") + DEEP])
def test_bad_descriptions_are_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ModelError, match="expected safetensors in") as error:
        load_weights(*written(tmp_path / "w.safetensors", content))
    assert error.value.code == "weights_do_not_fit"


@pytest.mark.parametrize(
    "content",
    [b"", b"\x02", b"\x02\0\0\0\0\0\0\0{]", b"\x02\0\0\0\0\0\0\0[]", save(TENSORS)[:-4], b"\xff" * 99],
    ids=["empty", "short", "no JSON", "no table", "cut off", "a length of all"],
)
def test_what_is_no_safetensors_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ModelError, match="expected safetensors in") as error:
        load_weights(*written(tmp_path / "w.safetensors", content))
    assert error.value.code == "weights_do_not_fit"
