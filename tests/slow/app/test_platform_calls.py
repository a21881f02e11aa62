"""Each platform's way to call a package: its folders, variables and files; the result and the exit code.

The image's absolute paths are those of this checkout here; `make image-test` takes the image itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app import platform_layout as layout
from app.map.manifests import manifests
from app.settings import ROOT
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import setting
from tests.support.packages.model_cases import ran
from tests.support.packages.synthetic_packages import write_package

AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))
HU = phantoms.position_volume((16, 16, 16), AFFINE)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_package(folder / "bones", sees_bone=True)
    return folder


def called(command: list[str], folder: Path, **environment: object) -> tuple[int, list[str], str]:
    """Exit code, the result files, and what was said, in an environment of these variables alone."""
    clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    given = {name: str(value) for name, value in environment.items()}
    done = subprocess.run(
        command,
        env=layout.ENVIRONMENT
        | layout.ENVIRONMENT_0
        | clean
        | {"HOLOSCAN_CONFIG_PATH": str(ROOT / "app.yaml")}
        | given,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    names = sorted(path.name for path in (folder / "out").iterdir()) if (folder / "out").is_dir() else []
    return done.returncode, names, done.stderr


def test_a_runner_of_version_1_calls_the_entry_point(tmp_path: Path, models: Path) -> None:
    phantoms.write_ct(tmp_path / "in", HU, AFFINE)
    manifest = manifests(ROOT, models)[str(layout.APP_MANIFEST)]
    manifest["command"] = json.dumps([sys.executable, "-u", str(ROOT)])
    (tmp_path / "app.json").write_text(json.dumps(manifest))
    code, names, said = called(
        [sys.executable, "-m", "app.map.entry"],
        tmp_path,
        HOLOSCAN_APP_MANIFEST_PATH=tmp_path / "app.json",
        HOLOSCAN_INPUT_PATH=tmp_path / "in",
        HOLOSCAN_OUTPUT_PATH=tmp_path / "out",
        HOLOSCAN_MODEL_PATH=models,
    )
    assert code == 0, said
    assert {"segmentation.dcm", "measurements.dcm", "report.json"} <= set(names)
    assert "result.json" not in names


def test_monai_deploy_express_gives_a_command_to_a_shell(tmp_path: Path, models: Path) -> None:
    """Its Docker plug-in: entry point /bin/bash -c, and variables that a workflow names env_MONAI_*."""
    workflow = json.loads((ROOT / "deploy/monai-deploy-express.json").read_text(encoding="utf-8"))
    (task,) = (task for task in workflow["tasks"] if task["type"] == "docker")
    variables = {name.removeprefix("env_") for name in task["args"] if name.startswith("env_")}
    assert {"MONAI_INPUTPATH", "MONAI_OUTPUTPATH", "MONAI_MODELPATH"} <= variables
    assert task["args"]["command"] == manifests(ROOT, models)[str(layout.APP_MANIFEST_0)]["command"]
    phantoms.write_ct(tmp_path / "in", HU, AFFINE, edit=setting(Modality="MR"))
    shell = task["args"]["entrypoint"].split(",")
    code, names, said = called(
        [*shell, f"{sys.executable} -u {ROOT}"],
        tmp_path,
        MONAI_INPUTPATH=f"{tmp_path / 'in'}/",
        MONAI_OUTPUTPATH=f"{tmp_path / 'out'}/",
        MONAI_MODELPATH=f"{models}/",
        MONAI_WORKDIR=f"{tmp_path}/",
    )
    assert (code, names) == (3, ["report.json"]), said
    assert "expected modality CT, got MR" in said


def test_mercure_gives_a_task_and_reads_its_result(tmp_path: Path, models: Path) -> None:
    """Its processor sets the variables of both generations too, and takes the command of version 0."""
    phantoms.write_ct(tmp_path / "in", HU, AFFINE)
    task = {"id": "1", "process": {"module_name": "osteon", "settings": {"files": ["stl"]}}}
    (tmp_path / "in" / "task.json").write_text(json.dumps(task))
    places = {
        name: tmp_path / folder
        for folder, names in (
            ("in", ("MERCURE_IN_DIR", "MONAI_INPUTPATH", "HOLOSCAN_INPUT_PATH")),
            ("out", ("MERCURE_OUT_DIR", "MONAI_OUTPUTPATH", "HOLOSCAN_OUTPUT_PATH")),
        )
        for name in names
    }
    (tmp_path / "out").mkdir()
    command = [sys.executable, "-u", str(ROOT)]
    code, names, said = called(command, tmp_path, **places, HOLOSCAN_MODEL_PATH=models)
    assert code == 0, said
    assert {"segmentation.dcm", "files", "result.json"} <= set(names)
    result = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    assert result["exit_code"] == 0
    assert "Not for diagnosis" in result["__mercure_notification"]["text"]


def test_exec_takes_the_arguments_of_monai_deploy(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Any application's folder; its exit code."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "__main__.py").write_text("import sys; print(sys.argv[1:]); sys.exit(3)")
    words = ("-i", "in", "-o", "out", "-m", "models", "-w", "work", "-l", "DEBUG")
    assert ran(capfd, "exec", tmp_path / "other", *words)[0] == 3
    code, said = ran(capfd, "exec", tmp_path / "none", "-i", "in", "-o", "out")
    assert (code, "expected an application's folder" in said) == (2, True)


def test_a_folder_is_shown_extracted_and_valid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = ran(capsys, "show", ROOT)
    assert (code, "/etc/monai/pkg.json" in said) == (0, True)
    assert ran(capsys, "extract", ROOT, "-o", tmp_path)[0] == 0
    for folder in (ROOT, tmp_path):
        code, said = ran(capsys, "validate", folder)
        assert (code, "both generations" in said) == (0, True)
    broken = tmp_path / "config" / "pkg.json"
    broken.write_text("{")
    code, said = ran(capsys, "validate", tmp_path)
    assert (code, said.startswith("/etc/holoscan/pkg.json: $: ")) == (2, True)
