"""An engine runs the image by the deployment page's commands as they are written: podman, which answers to
docker's name here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from app import platform_layout as layout
from app.map.manifests import manifests
from app.settings import ROOT
from tests.image.contained import IMAGE, USER
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import setting
from training.phantoms import phantom_ct, write_series

AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))
# A test's machine may have no cgroups for containers, and no right to raise limits
DOCKER = """#!/bin/sh
test "$1" = run || exec {podman} "$@"
shift
exec {podman} run --cgroups disabled --no-healthcheck --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 "$@"
"""
# crun 1.8 refuses a machine that has both generations of cgroups; here it sees none
WITHOUT_CGROUPS = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /sys/fs/cgroup && exec "$@"', "sh")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with `in` and `out`, as on the page."""
    (tmp_path / "bin").mkdir()
    docker = tmp_path / "bin" / "docker"
    docker.write_text(DOCKER.format(podman=shutil.which("podman")), encoding="utf-8")
    docker.chmod(0o755)
    (tmp_path / "out").mkdir()
    return tmp_path


def ran(place: Path, command: str) -> tuple[int, str]:
    """Exit code and output of a command of the page in a shell."""
    path = f"{place / 'bin'}:{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"
    line = [*WITHOUT_CGROUPS, "sh", "-c", command.replace("run-map osteon", f"run-map {IMAGE}")]
    done = subprocess.run(
        line, cwd=place, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def on_the_page(start: str) -> str:
    """The command that begins so."""
    lines = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8").splitlines()
    at = next(number for number, line in enumerate(lines) if start in line)
    end = next(number for number in range(at, len(lines)) if not lines[number].endswith("\\"))
    return "\n".join(lines[at : end + 1])


def test_docker_runs_it_as_the_user_of_the_image(place: Path) -> None:
    write_series(phantom_ct(np.random.default_rng(3), (1.4, 1.4, 2.0)).ct, place / "in")
    os.chown(place / "out", USER, USER)
    command = on_the_page("docker run --rm")
    assert command.endswith(" osteon")
    code, said = ran(place, command.removesuffix("osteon") + IMAGE)
    assert code == 0, said
    assert {"segmentation.dcm", "report.json"} <= {path.name for path in (place / "out").iterdir()}
    assert (place / "out" / "segmentation.dcm").stat().st_uid == USER


def test_run_map_returns_the_applications_exit_code(place: Path) -> None:
    phantoms.write_ct(
        place / "in", phantoms.position_volume((16, 16, 16), AFFINE), AFFINE, edit=setting(Modality="MR")
    )
    code, said = ran(place, "osteon run-map osteon -i in -o out")
    assert (code, "expected modality CT or DX or CR or RG or OT, got MR" in said) == (3, True), said
    assert [path.name for path in (place / "out").iterdir()] == ["report.json"]


def test_show_validate_and_extract_look_into_it(place: Path) -> None:
    code, said = ran(place, f"osteon show {IMAGE}")
    assert (code, '"apiVersion": "1.0.0"' in said) == (0, True), said
    code, said = ran(place, f"osteon validate {IMAGE}")
    assert (code, "both generations" in said) == (0, True), said
    code, said = ran(place, f"osteon extract {IMAGE} -o extracted")
    assert code == 0, said
    inside = json.loads((place / "extracted/config/app.json").read_text(encoding="utf-8"))
    assert inside == manifests(ROOT, ROOT / "models")[str(layout.APP_MANIFEST)]
    assert (place / "extracted/docs/sbom.json").is_file()
