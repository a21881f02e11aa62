"""The wheel works outside a checkout: it contains models, app.yaml and the structures."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def ran(*command: str | Path, folder: Path) -> str:
    """The output of a command, with the libraries of this environment."""
    libraries = next(path for path in sys.path if path.endswith("site-packages"))
    environment = {**os.environ, "PYTHONPATH": libraries}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_wheel_brings_its_models_and_its_configuration(tmp_path: Path) -> None:
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")
    ran(*pip, "--wheel-dir", tmp_path, ROOT, folder=tmp_path)
    (wheel,) = tmp_path.glob("osteon-*.whl")
    ran(sys.executable, "-m", "venv", tmp_path / "venv", folder=tmp_path)
    installed = tmp_path / "venv" / "bin"
    install = (installed / "python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel)
    ran(*install, folder=tmp_path)
    listed = ran(installed / "osteon", "models", "list", folder=tmp_path)
    assert "ready" in listed
    code = (
        "import osteon, operators.packages.structures as s; from app.web.rendering import HERE, templates;"
        "print(osteon.__file__, len(s.read_structures()), len(templates().list_templates()),"
        " (HERE / 'static' / 'htmx.min.js').stat().st_size)"
    )
    place, count, *page = ran(installed / "python", "-c", code, folder=tmp_path).split()
    assert int(page[0]) > 10
    assert int(page[1]) > 50_000
    assert Path(place).is_relative_to(tmp_path)
    assert int(count) > 50
