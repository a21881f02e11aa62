"""`osteon exec`, `package`, `show`, `extract`, `validate` and `run-map`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from pathlib import PurePosixPath as At
from typing import Any

from app import platform_layout as layout
from app.map.checking import extracted, faults
from app.map.entry import seconds
from app.map.manifests import configuration, manifests
from app.map.supervision import run_supervised
from app.map.tools import Container, Mount, build_words, require_image, run_container, tool_named
from app.settings import ROOT
from operators.dicom.elements.atomic_file import make_folder
from operators.errors import OutputError, UsageError


def exec_command(folder: Path, arguments: dict[str, Path | str | None]) -> int:
    """Runs the application in `folder` as `monai-deploy exec` did, and returns its exit code."""
    main = folder / "__main__.py" if folder.is_dir() else folder
    if not main.is_file():
        raise UsageError(f"expected an application's folder with __main__.py, or a file, got {folder}")
    given = [word for name, value in arguments.items() if value for word in (f"--{name}", str(value))]
    limit = seconds(os.environ.get("HOLOSCAN_TIMEOUT") or 0)
    return run_supervised([sys.executable, "-u", str(folder), *given], os.environ, limit)


def package_command(tag: str, tool: str | None, variant: str, more: list[str]) -> int:
    """Builds the image of this checkout."""
    program = tool_named(tool)
    application = configuration(ROOT)["application"]
    arguments = {
        "VARIANT": variant,
        "GPUS": str(int(variant == "cuda")),
        "VERSION": application["version"],
        "REVISION": revision(),
    }
    words = build_words(program, tag, ROOT, arguments, more)
    code = subprocess.run(words, check=False).returncode
    if code:
        raise OutputError(f"expected {program} to build {tag}, got exit code {code}; see its messages above")
    return 0


def revision() -> str:
    """Returns the commit of this checkout, or '' without a checkout or without git."""
    words = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    try:
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        return ""


def run_map_command(image: str, input: Path, output: Path, models: Path | None, tool: str | None) -> int:
    """Runs a package as a container without network and with read-only input, and returns its exit code."""
    if not input.exists():
        raise UsageError(f"expected an input folder or file, {input} does not exist")
    require_models(models)
    program = image_tool(image, tool)
    make_folder(output, "an output folder")
    mounts = [Mount(input, str(layout.INPUT)), Mount(output, str(layout.OUTPUT), writable=True)]
    if models is not None:
        mounts.append(Mount(models, str(layout.MODELS)))
    gpus = shutil.which("nvidia-smi") is not None
    return run_container(program, Container(image, (), mounts, gpus=gpus))


def show_command(name: str, tool: str | None) -> int:
    """Prints the manifests of an image, or those that the image of a folder will have."""
    if not Path(name).is_dir():
        return run_container(image_tool(name, tool), Container(name, ("show",)))
    for path, manifest in manifests_of(Path(name)).items():
        print(f"{f' {path} ':=^70}")
        print(json.dumps(manifest, indent=2))
    return 0


def extract_command(name: str, output: Path, tool: str | None) -> int:
    """Copies the application, manifests, models and documents of an image or a folder to `output`."""
    if not Path(name).is_dir():
        program = image_tool(name, tool)
        make_folder(output, "an output folder")
        export = Mount(output, str(layout.EXPORT_MOUNT), writable=True)
        return run_container(program, Container(name, ("extract",), [export]))
    folder = Path(name)
    found = manifests_of(folder)
    make_folder(output, "an output folder")
    for path, manifest in found.items():
        target = output / layout.EXTRACTED[At(path)]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    shutil.copytree(folder / "models", output / "models", dirs_exist_ok=True)
    return 0


def validate_command(name: str, tool: str | None) -> int:
    """Prints every violation of the specification, and returns the exit code of UsageError if any."""
    if Path(name).is_dir():
        found = faults(manifests_of(Path(name)))
    else:
        with tempfile.TemporaryDirectory() as place:
            found = faults(image_manifests(name, image_tool(name, tool), Path(place)))
    for fault in found:
        print(fault)
    if not found:
        print(f"{name}: a MONAI Application Package of both generations")
    return UsageError.exit_code if found else 0


def image_tool(image: str, tool: str | None) -> str:
    """Returns the tool that can run a local image. Raises UsageError without one, or without the image."""
    program = tool_named(tool, f" for the image {image}, which is not a folder here")
    require_image(program, image)
    return program


def require_models(folder: Path | None) -> None:
    """Raises UsageError if a models folder is given that is not a folder."""
    if folder is not None and not folder.is_dir():
        raise UsageError(f"expected a folder of model packages, got {folder}, which is not a folder")


def manifests_of(folder: Path) -> dict[str, Any]:
    """Returns the manifests extracted to `folder`, or those made for the application in it."""
    return extracted(folder) or manifests(folder, folder / "models")


def image_manifests(image: str, tool: str, place: Path) -> dict[str, Any]:
    """Returns all four manifests of an image. Raises UsageError if its entry point is not Osteon's."""
    (place / "config").mkdir()
    export = Mount(place, str(layout.EXPORT_MOUNT), writable=True)
    code = run_container(tool, Container(image, ("extract",), [export]))
    if code:
        raise UsageError(f"expected an image whose entry point knows extract, {image} returned {code}")
    return extracted(place)
