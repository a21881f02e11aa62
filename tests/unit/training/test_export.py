"""Export: weights and checksum that the package accepts, and recipes that fit their packages."""

from __future__ import annotations

import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from operators.errors import ModelError
from operators.networks.architectures.architecture_table import build
from operators.networks.weights import fill, load_weights
from operators.package_files.package_reader import (
    PACKAGE_FILE,
    read_coarse_to_fine_package,
    read_package,
)
from tests.support.training.training_cases import ROOT, tiny_run, write_models
from training.export import export, set_table, set_value, weights_file
from training.loop.trainer import train
from training.radiograph.radiograph_recipe import read_radiograph_recipe
from training.recipe import SIMULATED_CT, read_recipe


def folder_name(file: Path) -> str:
    return file.parent.name


def test_an_export_is_accepted_by_the_package_and_changes_one_line_of_it(tmp_path: Path) -> None:
    models = write_models(tmp_path / "models")
    file = models / "box" / PACKAGE_FILE
    before = file.read_bytes().splitlines()
    run = tiny_run(tmp_path, steps=2)
    sha256 = export(train(run), models / "box", "coarse")
    after = file.read_bytes().splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert changed == [(b'sha256 = ""', f'sha256 = "{sha256}"'.encode())]
    spec = read_coarse_to_fine_package(file).coarse
    assert spec.sha256 == sha256
    network = build(spec.architecture, **spec.arguments)
    fill(network, load_weights(spec.weights, spec.sha256).tensors)
    loaded = network.state_dict()
    expected = torch.load(run.checkpoint, weights_only=True)["average"]
    assert all(torch.allclose(loaded[name], expected[name], atol=1e-3) for name in expected)


def test_a_second_export_replaces_the_first(tmp_path: Path) -> None:
    models = write_models(tmp_path / "models")
    for steps in (1, 2):
        export(train(tiny_run(tmp_path, steps=steps)), models / "box", "coarse")
        spec = read_coarse_to_fine_package(models / "box" / PACKAGE_FILE).coarse
        assert load_weights(spec.weights, spec.sha256).tensors


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ('"hip_left", "hip_right"', '"hip_right", "hip_left"', "expected classes"),
        ("spacing_mm = [4.0, 4.0, 4.0]", "spacing_mm = [2.0, 2.0, 2.0]", "expected spacing_mm"),
        ("window_hu = [-200.0, 1300.0]", "window_hu = [0.0, 1300.0]", "expected window_hu"),
        ("dimensions = 3, outputs = 7", "dimensions = 2, outputs = 7", "expected the weights of subpixel"),
    ],
)
def test_weights_of_another_network_are_not_installed(tmp_path: Path, old: str, new: str, text: str) -> None:
    models = write_models(tmp_path / "models")
    file = models / "box" / PACKAGE_FILE
    content = file.read_text(encoding="utf-8").replace(old, new)
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match=text):
        export(train(tiny_run(tmp_path, steps=1)), models / "box", "coarse")
    assert file.read_text(encoding="utf-8") == content
    assert not list((models / "box").glob("*.safetensors"))


def test_a_package_follows_a_network_that_was_trained_larger(tmp_path: Path) -> None:
    models = write_models(tmp_path / "models")
    run = tiny_run(tmp_path, "fracture", steps=1)
    export(train(replace(run, network=run.network.on("cuda"))), models / "box", "fracture")
    spec = read_coarse_to_fine_package(models / "box" / PACKAGE_FILE).fracture
    assert spec.arguments["filters"] == [4, 8, 16]
    fill(build(spec.architecture, **spec.arguments), load_weights(spec.weights, spec.sha256).tensors)


RECIPES = {
    file: tomllib.loads(file.read_text(encoding="utf-8"))
    for file in sorted((ROOT / "models").glob("*/training.toml"))
}
OF_CT = [file for file, table in RECIPES.items() if table.get("subjects", SIMULATED_CT) == SIMULATED_CT]


# The others train networks that packages share
OF_PACKAGES = [file for file in OF_CT if (file.parent / PACKAGE_FILE).exists()]


@pytest.mark.parametrize("file", [file.parent / PACKAGE_FILE for file in OF_PACKAGES], ids=folder_name)
def test_a_checksum_changes_one_line_of_a_shipped_package(tmp_path: Path, file: Path) -> None:
    copy = tmp_path / PACKAGE_FILE
    for name in ("coarse", "fine", "fracture"):
        shutil.copy(file, copy)
        set_value(copy, f"networks.{name}", "sha256", "f" * 64)
        lines = zip(file.read_bytes().splitlines(), copy.read_bytes().splitlines(), strict=True)
        assert [new for old, new in lines if old != new] == [b'sha256 = "' + b"f" * 64 + b'"']
        assert getattr(read_package(copy), name).sha256 == "f" * 64


def test_the_weights_of_a_shared_network_lie_beside_its_recipe(tmp_path: Path) -> None:
    made = train(tiny_run(tmp_path, steps=1))
    folder = tmp_path / "shared"
    folder.mkdir()
    sha256 = export(made, folder, "coarse")
    assert weights_file(folder, "coarse") == folder / "coarse.safetensors"
    assert load_weights(folder / "coarse.safetensors", sha256).tensors


def test_a_checksum_goes_into_its_own_table_only(tmp_path: Path) -> None:
    file = tmp_path / PACKAGE_FILE
    lines = (b"[networks.a]", b"steps = [1]", b"[networks.b]", b'sha256 = "ab"', b"[x]", b'sha256 = ""', b"")
    file.write_bytes(b"\r\n".join(lines))
    with pytest.raises(ModelError, match=r"under \[networks.a\]"):
        set_value(file, "networks.a", "sha256", "ff")
    set_value(file, "networks.b", "sha256", "ff")
    assert file.read_bytes().splitlines()[3:] == [b'sha256 = "ff"', b"[x]", b'sha256 = ""']
    assert file.read_bytes().count(b"\r\n") == 6


@pytest.mark.parametrize("file", [file for file in RECIPES if file not in OF_CT], ids=folder_name)
def test_a_shipped_recipe_of_radiographs_is_read_and_names_its_data(file: Path) -> None:
    recipe = read_radiograph_recipe(file)
    assert recipe.recipe == "outlines"
    assert recipe.licences


@pytest.mark.parametrize("file", OF_PACKAGES, ids=folder_name)
def test_a_shipped_recipe_trains_what_its_package_runs(file: Path) -> None:
    made, package = read_recipe(file), read_package(file.parent / PACKAGE_FILE)
    # Networks that packages share have a recipe of their own, or belong to that of one of them
    own = {spec.name for spec in package.networks if spec.weights.resolve().parent == file.parent.resolve()}
    assert own <= set(made.networks) <= {spec.name for spec in package.networks}
    for spec in (spec for spec in package.networks if spec.name in made.networks):
        trained = made.networks[spec.name]
        assert (trained.classes, trained.window_hu) == (spec.classes, spec.window_hu)
        assert (trained.spacing_mm,) * spec.dimensions == spec.spacing_mm
        assert trained.architecture == spec.architecture
        assert list(trained.filters) == spec.arguments["filters"]
    folders = {Path(row.folder).name for row in made.sources.bone_sets}
    assert not folders & set(made.sources.held_out)


TABLES = "a = 1\n\n[first]\nx = 1\n\n# Of the second\n[second]\ny = 2\n"


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("first", "a = 1\n\n[first]\nz = 3\n\n# Of the second\n[second]\ny = 2\n"),
        ("second", "a = 1\n\n[first]\nx = 1\n\n# Of the second\n[second]\nz = 3\n"),
        ("third", f"{TABLES}\n[third]\nz = 3\n"),
    ],
)
def test_a_table_is_put_in_its_place_or_at_the_end(tmp_path: Path, table: str, expected: str) -> None:
    path = tmp_path / "package.toml"
    for before in (TABLES, TABLES.replace("\n", "\r\n")):
        path.write_bytes(before.encode())
        set_table(path, table, {"z": 3})
        assert path.read_bytes().decode().replace("\r\n", "\n") == expected
        assert path.read_bytes().count(b"\r\n") in (0, path.read_bytes().count(b"\n"))
