"""The manifests that a package has, and what their schemas say of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from app import platform_layout as layout
from app.map.checking import SCHEMA_NAMES, SCHEMAS, faults
from app.map.manifests import manifests
from app.map.write import write
from app.settings import ROOT, SOFTWARE_VERSION
from operators.errors import ModelError, UsageError
from tests.support.packages.synthetic_packages import write_package

APP, PKG = str(layout.APP_MANIFEST), str(layout.PKG_MANIFEST)
APP_0, PKG_0 = str(layout.APP_MANIFEST_0), str(layout.PKG_MANIFEST_0)


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return manifests(ROOT, ROOT / "models")


@pytest.mark.parametrize("name", sorted(SCHEMA_NAMES.values()))
def test_each_schema_is_one_and_names_its_source(name: str) -> None:
    schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    assert len(schema["$comment"]) > 50


def test_the_manifests_of_both_generations_keep_to_their_schemas(made: dict[str, Any]) -> None:
    assert faults(made) == []


def test_the_manifests_say_the_version_of_the_software_and_every_model(made: dict[str, Any]) -> None:
    assert {manifest["version"] for manifest in made.values()} == {SOFTWARE_VERSION}
    folders = sorted(path.parent.name for path in (ROOT / "models").glob("*/package.toml"))
    assert [Path(model["path"]).name for model in made[PKG]["models"]] == folders
    assert [Path(model["path"]).name for model in made[PKG_0]["models"]] == folders


def test_a_model_that_changes_has_another_name_in_version_0(tmp_path: Path) -> None:
    names = set()
    for seed in (1, 2, 2):
        models = tmp_path / f"models{len(list(tmp_path.iterdir()))}"
        write_package(models / "bones", seed)
        names.add(manifests(ROOT, models)[PKG_0]["models"][0]["name"])
    assert len(names) == 2


def test_two_builds_have_the_same_manifests(made: dict[str, Any]) -> None:
    assert json.dumps(manifests(ROOT, ROOT / "models")) == json.dumps(made)


def test_the_package_for_gpus_asks_for_one(made: dict[str, Any]) -> None:
    assert made[PKG]["resources"]["gpu"] == 0
    assert manifests(ROOT, ROOT / "models", gpus=1)[PKG]["resources"]["gpu"] == 1


BREAKS: dict[str, tuple[str, Callable[[dict[str, Any]], object]]] = {
    "no command": (APP, lambda m: m.pop("command")),
    "a command that is no array": (APP, lambda m: m.update(command="python3 app")),
    "an unknown key": (APP, lambda m: m.update(colour="red")),
    "memory without a unit": (PKG, lambda m: m["resources"].update(memory="2")),
    "a model without a name": (PKG, lambda m: m["models"][0].pop("name")),
    "a command of shell's signs": (APP_0, lambda m: m.update(command="rm -rf / ; true")),
    "a model without its checksum": (PKG_0, lambda m: m["models"][0].update(name="pelvis")),
}


@pytest.mark.parametrize("name", BREAKS)
def test_what_breaks_the_specification_is_named(made: dict[str, Any], name: str) -> None:
    path, breaks = BREAKS[name]
    broken = json.loads(json.dumps(made))
    breaks(broken[path])
    (fault,) = faults(broken)
    assert fault.startswith(path)


def test_a_missing_manifest_is_named(made: dict[str, Any]) -> None:
    found = faults({path: manifest for path, manifest in made.items() if path != PKG_0})
    assert found == [f"{PKG_0}: expected a manifest, got none"]


def test_a_folder_without_app_yaml_or_models_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"expected an app\.yaml with the sections"):
        manifests(tmp_path, ROOT / "models")
    with pytest.raises(ModelError, match="expected a folder of model packages"):
        manifests(ROOT, tmp_path)


def test_the_image_has_the_manifests_and_folders_of_both_generations(tmp_path: Path) -> None:
    application, models = (tmp_path / str(path).lstrip("/") for path in (layout.APPLICATION, layout.MODELS))
    application.mkdir(parents=True)
    (application / "app.yaml").write_bytes((ROOT / "app.yaml").read_bytes())
    write_package(models / "bones")
    write(tmp_path, user=10001, gpus=0)
    assert json.loads((tmp_path / "etc/monai/app.json").read_text())["command"] == "/var/holoscan/tools"
    assert (tmp_path / "var/holoscan/output").stat().st_uid == 10001
    for name in ("opt/monai", "var/monai"):
        assert (tmp_path / name).readlink() == Path("holoscan")
        assert (tmp_path / name).is_dir()


def test_the_dockerfile_sets_the_variables_of_both_generations() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    for name, value in (layout.ENVIRONMENT | layout.ENVIRONMENT_0).items():
        assert f"{name}={value} " in text, name
