"""Versions of a package: new networks in use by one rename, and the ones before again."""

from __future__ import annotations

from pathlib import Path

import pytest

from operators.errors import OutputError, UsageError
from operators.importing.versions import replace_version, rollback, version_of
from operators.package_files.package_reader import PACKAGE_FILE, read_package
from tests.support.packages.synthetic_packages import write_package


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_package(tmp_path / "models" / "bones").parent


def text_of(folder: Path, version: int) -> str:
    lines = (folder / PACKAGE_FILE).read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(f'version = "{version}"\n' if line.startswith("version =") else line for line in lines)


def test_a_version_comes_into_use_and_is_taken_back(folder: Path, tmp_path: Path) -> None:
    weights = tmp_path / "new.safetensors"
    weights.write_bytes(b"weights")
    first = text_of(folder, 1)
    (folder / PACKAGE_FILE).write_text(first, encoding="utf-8")
    for version in (2, 3):
        replace_version(folder, text_of(folder, version), {f"fine-{version}.safetensors": weights})
    assert (folder / "fine-3.safetensors").read_bytes() == b"weights"
    assert version_of(folder) == 3
    assert rollback(folder) == (3, 2)
    assert rollback(folder) == (2, 1)
    assert (folder / PACKAGE_FILE).read_text(encoding="utf-8") == first
    assert {path.name for path in (folder / "withdrawn").iterdir()} == {"2.toml", "3.toml"}
    with pytest.raises(UsageError, match="expected a former version of bones, found none"):
        rollback(folder)
    assert read_package(folder / PACKAGE_FILE).name == "bones"


def test_weights_that_cannot_be_written_leave_the_version_in_use(folder: Path, tmp_path: Path) -> None:
    before = (folder / PACKAGE_FILE).read_bytes()
    weights = tmp_path / "new.safetensors"
    weights.write_bytes(b"weights")
    (folder / "fine-2.safetensors").mkdir()
    with pytest.raises(OutputError):
        replace_version(folder, text_of(folder, 2), {"fine-2.safetensors": weights})
    assert (folder / PACKAGE_FILE).read_bytes() == before
    assert not (folder / "former").exists()


def test_a_version_that_is_no_number_counts_as_the_first(folder: Path) -> None:
    assert version_of(folder) == 1
