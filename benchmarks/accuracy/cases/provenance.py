"""Provenance of a row: weights, package and program, so that an outdated row is measured again."""

from __future__ import annotations

import ast
import hashlib
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path

from operators.package_files.package_reader import PACKAGE_FILE
from operators.packages.coarse_to_fine import CoarseToFinePackage

ROOT = Path(__file__).resolve().parents[3]
# Sources that can change a metric, without those of documents and tables
PROGRAM = ("operators", "training/phantoms", "benchmarks/accuracy/cases")


def provenance_of(package: CoarseToFinePackage) -> dict[str, str]:
    """Returns the SHA-256 of each network's weights, of package.toml and of the program."""
    weights = {spec.name: spec.sha256 for spec in package.networks}
    toml = (package.folder / PACKAGE_FILE).read_bytes()
    return {**weights, "package": hashlib.sha256(toml).hexdigest(), "program": program_digest()}


@cache
def program_digest() -> str:
    """Returns the SHA-256 over the sources without comments, as of the start of the run."""
    digest = hashlib.sha256()
    for folder in PROGRAM:
        for path in sorted((ROOT / folder).rglob("*.py")):
            code = ast.unparse(ast.parse(path.read_text(encoding="utf-8")))
            digest.update(f"{path.relative_to(ROOT)}\n{code}\n".encode())
    return digest.hexdigest()


def machine() -> str:
    """Returns processor and versions as text."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")
    libraries = ", ".join(f"{name} {version(name)}" for name in ("openvino", "numpy", "scipy"))
    return f"{model or platform.machine()}, Python {platform.python_version()}, {libraries}"
