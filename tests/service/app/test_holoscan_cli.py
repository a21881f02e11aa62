"""`package` of holoscan-cli 4.2.0, the last that packages, takes this folder: what it hands to docker.

The stand-in for docker keeps the build's folder instead of building: no daemon runs where tests do.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app import platform_layout as layout
from app.map.manifests import manifests
from app.settings import ROOT
from tests.support.dicom import phantoms
from tests.support.packages.synthetic_packages import write_package

# `make test` puts it there: it needs an older one than the SDK brings
PACKAGER = ROOT / "build" / "peers" / "holoscan"
DOCKER = """#!{python}
import json, shutil, sys
words = sys.argv[1:]
answers = {{
    ("buildx", "ls"): json.dumps({{"Name": "holoscan_app_builder"}}),
    ("buildx", "inspect"): "Name: holoscan_app_builder\\nDriver: docker-container",
    ("image", "inspect"): json.dumps([{{"Id": "sha256:0"}}]),
}}
if words[:2] == ["buildx", "build"]:
    shutil.copytree(words[-1], {kept!r})
else:
    print(answers[tuple(words[:2])])
"""
AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that docker was given; the command is the one of docs/deployment.md."""
    place = tmp_path_factory.mktemp("holoscan")
    checkout(place / "osteon")
    docker = place / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(DOCKER.format(python=sys.executable, kept=str(place / "kept")), encoding="utf-8")
    docker.chmod(0o755)
    done = subprocess.run(
        [sys.executable, PACKAGER / "bin" / "monai-deploy", *packaging_words()],
        cwd=place / "osteon",
        env=os.environ
        | {
            "PATH": f"{docker.parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(PACKAGER),
            "HOME": str(place),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Succeeded" in done.stdout
    return place / "kept"


def checkout(folder: Path) -> None:
    """This one's files, without what git ignores: the packager takes everything that it finds."""
    words = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in names:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)


def packaging_words() -> list[str]:
    """The arguments of the page's command."""
    lines = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8").splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("    monai-deploy package"))
    return "".join(lines[at : at + 2]).replace("\\", "").split()[1:]


def manifest(kept: Path, name: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads((kept / "map" / name).read_text(encoding="utf-8"))
    return made


def test_its_application_manifest_is_ours(kept: Path) -> None:
    ours, theirs = manifests(ROOT, ROOT / "models")[str(layout.APP_MANIFEST)], manifest(kept, "app.json")
    # Unbuffered output is our own; it names folders from the working directory, and has no health check
    assert json.loads(theirs.pop("command")) == [word for word in layout.COMMAND if word != "-u"]
    for name in ("input", "output"):
        place = theirs.pop(name)
        assert f"{layout.WORK}/{place['path']}".rstrip("/") == ours[name]["path"]
        assert place["formats"] == ours[name]["formats"]
    variables = theirs.pop("environment")
    assert variables.keys() == ours["environment"].keys()
    relative = {"HOLOSCAN_INPUT_PATH", "HOLOSCAN_OUTPUT_PATH"}
    assert {name for name in variables if variables[name] != ours["environment"][name]} == relative
    assert theirs.pop("liveness") is None
    assert theirs == {name: ours[name] for name in theirs}


def test_its_package_manifest_is_ours_but_for_the_models_form(kept: Path) -> None:
    ours, theirs = manifests(ROOT, ROOT / "models")[str(layout.PKG_MANIFEST)], manifest(kept, "pkg.json")
    # It takes every folder for a model, those that packages share too
    assert set(theirs.pop("models").values()) >= {model["path"] for model in ours["models"]}
    assert theirs == {name: ours[name] for name in theirs}
    assert ours.keys() - theirs.keys() == {"models"}


def test_its_dockerfile_names_the_sdks_that_are_pinned(kept: Path) -> None:
    text = (kept / "Dockerfile").read_text(encoding="utf-8")
    for line in (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines():
        for name in ("org.monai.deploy.app-sdk", "org.nvidia.holoscan"):
            if f"{name}=" in line:
                assert line.strip(" \\") in text
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert (kept / "pip" / "requirements.txt").read_text(encoding="utf-8").strip() == requirements.strip()
    for file in (ROOT / "models").glob("*/*.safetensors"):
        assert (kept / file.relative_to(ROOT)).stat().st_size == file.stat().st_size


def test_what_it_puts_into_the_image_runs(kept: Path, tmp_path: Path) -> None:
    write_package(tmp_path / "models" / "bones", sees_bone=True)
    phantoms.write_ct(tmp_path / "in", phantoms.position_volume((16, 16, 16), AFFINE), AFFINE)
    command = [sys.executable, *json.loads(manifest(kept, "app.json")["command"])[1:-1], str(kept / "app")]
    folders = {
        "HOLOSCAN_INPUT_PATH": tmp_path / "in",
        "HOLOSCAN_OUTPUT_PATH": tmp_path / "out",
        "HOLOSCAN_MODEL_PATH": tmp_path / "models",
        "HOLOSCAN_CONFIG_PATH": kept / "app.config",
    }
    done = subprocess.run(
        command,
        env=os.environ | {name: str(folder) for name, folder in folders.items()},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "segmentation.dcm").is_file()
