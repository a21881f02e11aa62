"""Checks that the image agrees with its manifests and pages: `make image-test` (not part of `make test`)."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
import yaml
from jsonschema import Draft7Validator
from pydicom.misc import is_dicom

from app import platform_layout as layout
from app.map.checking import faults
from app.map.manifests import manifests
from app.settings import ROOT, SOFTWARE_VERSION
from tests.image.contained import IMAGE, Image, called, mounted, words
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import setting
from training.phantoms import phantom_ct, write_series

IN, OUT, MODELS = str(layout.INPUT), str(layout.OUTPUT), str(layout.MODELS)
AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))
HU = phantoms.position_volume((16, 16, 16), AFFINE)
PEERS = ROOT / "build" / "peers"
# Coarse enough for a run of a minute
SPACING_MM = (1.4, 1.4, 2.0)


@pytest.fixture(scope="session")
def image() -> Iterator[Image]:
    with mounted(IMAGE) as found:
        yield found


@pytest.fixture(scope="session")
def ct(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "ct"
    write_series(phantom_ct(np.random.default_rng(3), SPACING_MM).ct, folder)
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def test_its_configuration_is_that_of_a_package(image: Image) -> None:
    assert image.environment.items() >= (layout.ENVIRONMENT | layout.ENVIRONMENT_0).items()
    assert image.entry_point == (str(layout.ENTRY_POINT),)
    assert image.user == "10001:10001"
    assert image.labels["org.opencontainers.image.title"] == "Osteon"
    assert image.labels["org.opencontainers.image.version"] == SOFTWARE_VERSION


def test_its_manifests_are_those_of_this_checkout(image: Image) -> None:
    expected = manifests(ROOT, ROOT / "models")
    inside = {path: json.loads((image.root / path.lstrip("/")).read_text()) for path in expected}
    assert inside == expected
    assert faults(inside) == []


def test_the_result_is_that_of_osteon_run(image: Image, ct: Path, out: Path, tmp_path: Path) -> None:
    began = time.monotonic()
    code, said = called(image, read={IN: ct}, written={OUT: out})
    took_s = time.monotonic() - began
    assert code == 0, said
    plain = [sys.executable, str(ROOT), "-i", str(ct), "-o", str(tmp_path / "plain")]
    assert subprocess.run(plain, check=False, capture_output=True).returncode == 0
    ours, theirs = (pydicom.dcmread(folder / "segmentation.dcm") for folder in (out, tmp_path / "plain"))
    assert ours.SOPInstanceUID == theirs.SOPInstanceUID
    assert ours.PixelData == theirs.PixelData
    # MONAI Deploy Express exports what is named so
    results = [path for path in out.rglob("*") if path.is_file()]
    assert all(is_dicom(path) == (path.suffix == ".dcm") and path.suffix for path in results)
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    stages = {stage["name"]: stage["seconds"] for stage in report["series"][0]["stages"]}
    peak_mb = max(stage["peak_rss_mb"] for stage in report["series"][0]["stages"])
    print(f"\ncold start to result {took_s:.1f} s, peak {peak_mb:.0f} MB, stages {stages}")


def test_an_empty_folder_ends_with_4(image: Image, out: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    assert called(image, read={IN: tmp_path / "in"}, written={OUT: out})[0] == 4


def test_a_corrupt_folder_ends_with_4(image: Image, out: Path, tmp_path: Path) -> None:
    for path in phantoms.write_ct(tmp_path / "in", HU, AFFINE):
        path.write_bytes(path.read_bytes()[:-200])
    code, said = called(image, read={IN: tmp_path / "in"}, written={OUT: out})
    assert (code, "cut short" in said) == (4, True), said


def test_another_modality_ends_with_3(image: Image, out: Path, tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path / "in", HU, AFFINE, edit=setting(Modality="MR"))
    assert called(image, read={IN: tmp_path / "in"}, written={OUT: out})[0] == 3


def test_missing_models_and_weights_end_with_5(image: Image, ct: Path, out: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    assert called(image, read={IN: ct, MODELS: tmp_path / "none"}, written={OUT: out})[0] == 5
    packages = tmp_path / "some" / "pelvis"
    packages.mkdir(parents=True)
    (packages / "package.toml").write_bytes((ROOT / "models/pelvis/package.toml").read_bytes())
    code, said = called(image, read={IN: ct, MODELS: tmp_path / "some"}, written={OUT: out})
    assert (code, "weights_missing" in said) == (5, True), said


def test_results_that_cannot_be_written_end_with_6(image: Image, ct: Path, out: Path) -> None:
    assert called(image, read={IN: ct, OUT: out})[0] == 6


def test_wrong_arguments_and_settings_end_with_2(image: Image, ct: Path, out: Path) -> None:
    assert called(image, "--bogus", read={IN: ct}, written={OUT: out})[0] == 2
    assert called(image, read={IN: ct}, written={OUT: out}, OSTEON_THREADS="many")[0] == 2


def test_a_time_limit_ends_with_124(image: Image, ct: Path, out: Path) -> None:
    assert called(image, read={IN: ct}, written={OUT: out}, HOLOSCAN_TIMEOUT="1")[0] == 124
    assert list(out.glob("*.dcm")) == []


@pytest.mark.parametrize("word", ["show", "env", "help", "health"])
def test_the_other_words_of_the_entry_point_end_with_0(image: Image, word: str) -> None:
    assert called(image, word)[0] == 0


def test_extract_copies_all_that_is_in_it(image: Image, out: Path) -> None:
    # An engine makes the place where it mounts
    (image.root / str(layout.EXPORT_MOUNT).lstrip("/")).mkdir(parents=True)
    code, said = called(image, "extract", written={str(layout.EXPORT_MOUNT): out})
    assert code == 0, said
    assert {path.name for path in out.iterdir()} == {"app", "config", "docs", "models"}
    (out / "config").chmod(0o755)
    assert json.loads((out / "config/monai/app.json").read_text())["command"] == str(layout.ENTRY_POINT)


def test_mercure_runs_the_command_of_version_0_as_it_does(image: Image, ct: Path, out: Path) -> None:
    command = json.loads((image.root / "etc/monai/app.json").read_text())["command"]
    line = words(
        image,
        shlex.split(command),
        read={"/tmp/data": ct},
        written={"/tmp/output": out},
        user=0,
        MERCURE_IN_DIR="/tmp/data",
        MERCURE_OUT_DIR="/tmp/output",
        MONAI_INPUTPATH="/tmp/data",
        MONAI_OUTPUTPATH="/tmp/output",
        HOLOSCAN_INPUT_PATH="/tmp/data",
        HOLOSCAN_OUTPUT_PATH="/tmp/output",
    )
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {"segmentation.dcm", "result.json"} <= {path.name for path in out.iterdir()}


def test_monai_deploy_express_runs_its_workflows_command(image: Image, out: Path, tmp_path: Path) -> None:
    workflow = json.loads((ROOT / "deploy/monai-deploy-express.json").read_text(encoding="utf-8"))
    (task,) = (task["args"] for task in workflow["tasks"] if task["type"] == "docker")
    variables = {name.removeprefix("env_"): value for name, value in task.items() if name.startswith("env_")}
    phantoms.write_ct(tmp_path / "in", HU, AFFINE, edit=setting(Modality="MR"))
    line = words(
        image,
        [*task["entrypoint"].split(","), task["command"]],
        read={IN: tmp_path / "in"},
        written={OUT: out},
        **variables,
    )
    assert subprocess.run(line, capture_output=True, check=False).returncode == 3
    assert [path.name for path in out.iterdir()] == ["report.json"]


def test_its_lists_name_every_package_and_no_installer_is_in_it(image: Image) -> None:
    packages = image.root / "opt/osteon/lib/python3.11/site-packages"
    names = {path.name.split("-")[0].lower().replace("_", "-") for path in packages.glob("*.dist-info")}
    sbom = json.loads((image.root / "opt/holoscan/docs/sbom.json").read_text())
    assert sbom["bomFormat"] == "CycloneDX"
    found: dict[str, list[str]] = {each["purl"].split("/")[0]: [] for each in sbom["components"]}
    for each in sbom["components"]:
        found[each["purl"].split("/")[0]].append(each["name"])
    assert names == {name.lower().replace("_", "-").replace(".", "-") for name in found["pkg:pypi"]}
    licences = (image.root / "opt/holoscan/docs/licences.md").read_text().lower()
    assert all(name.lower() in licences for name in found["pkg:pypi"])
    installed = ("dpkg-query", f"--admindir={image.root}/var/lib/dpkg", "--show", "--showformat=${Package} ")
    said = subprocess.run(installed, check=True, capture_output=True, text=True).stdout
    assert sorted(found["pkg:deb"]) == sorted(said.split())
    assert found["pkg:generic"] == ["python"]
    assert not (packages / "pip").exists()
    debian = len(found["pkg:deb"])
    print(f"\n{image.size_bytes / 1e6:.0f} MB unpacked, {len(names)} packages, {debian} of Debian")


def test_compose_takes_its_file() -> None:
    """By the schema of the compose specification in docker-compose 1.29.2."""
    (wheel,) = PEERS.glob("docker_compose-1.29.2-*.whl")
    schema = json.loads(zipfile.ZipFile(wheel).read("compose/config/compose_spec.json"))
    content = yaml.safe_load((ROOT / "deploy/compose/compose.yaml").read_text(encoding="utf-8"))
    # The key came after that version
    content.pop("name")
    Draft7Validator(schema).validate(content)
