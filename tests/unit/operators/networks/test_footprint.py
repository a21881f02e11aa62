"""A network larger than the memory is refused before it is loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from operators.errors import ModelError
from operators.networks import runtimes
from operators.networks.footprint import least_bytes
from operators.networks.runtimes import Device, load_network
from operators.package_files.package_reader import read_coarse_to_fine_package
from operators.packages.packages import NetworkSpec
from operators.process.memory import memory_bytes
from tests.support.packages.synthetic_packages import write_package


@pytest.fixture
def spec(tmp_path: Path) -> NetworkSpec:
    """A small network: 4, 8 and 8 features on a patch of 16x16x16."""
    write_package(tmp_path / "bones")
    return read_coarse_to_fine_package(tmp_path / "bones" / "package.toml").coarse


def test_the_largest_layer_counts(spec: NetworkSpec) -> None:
    f32, bf16 = (least_bytes(replace(spec, precision=precision)) for precision in ("f32", "bf16"))
    # Its first level reads 8 channels and writes 4 behind the decoder's concatenation
    assert f32 - bf16 == 2 * (8 + 4) * 16**3
    assert least_bytes(replace(spec, patch=(32, 32, 32), precision="f32")) - f32 == 7 * 4 * (8 + 4) * 16**3


def test_a_network_larger_than_memory_has_its_own_message_and_exit_code(
    spec: NetworkSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtimes, "memory_bytes", lambda: 100_000)
    with pytest.raises(ModelError, match="on this machine") as error:
        load_network(spec, Device("torch"))
    assert (error.value.code, error.value.exit_code) == ("memory_too_small", 5)


def test_a_patch_beyond_any_machine_is_refused_without_taking_memory(spec: NetworkSpec) -> None:
    with pytest.raises(ModelError) as error:
        load_network(replace(spec, patch=(16384, 16384, 16384)), Device("openvino"))
    assert error.value.code == "memory_too_small"


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("0::/one/two", "one/memory.max"),
        ("5:memory:/one", "memory/one/memory.limit_in_bytes"),
        ("0::/of/the/machine", "memory.max"),
    ],
)
def test_a_control_groups_limit_holds(line: str, file: str, tmp_path: Path) -> None:
    own, groups = tmp_path / "cgroup", tmp_path / "groups"
    own.write_text(line + "\n")
    free = memory_bytes(groups, own)
    (groups / file).parent.mkdir(parents=True)
    (groups / file).write_text("1000000\n")
    assert memory_bytes(groups, own) == 1_000_000 < free
    (groups / file).write_text("max\n")
    assert memory_bytes(groups, own) == free
