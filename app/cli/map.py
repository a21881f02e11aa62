"""The commands of the MONAI Application Package; they share the arguments of `monai-deploy`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from pathlib import PurePosixPath as At
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from app import platform_layout as layout
from app.cli.arguments import INPUT, OUTPUT
from app.map.checking import extracted, faults
from app.map.entry import seconds
from app.map.manifests import configuration, manifests
from app.map.supervision import run_supervised
from app.map.tools import Container, Mount, build_words, require_image, run_container, tool_named
from app.settings import ROOT
from operators.dicom.elements.atomic_file import make_folder
from operators.errors import OutputError, UsageError

Input = Annotated[Path, INPUT]
Output = Annotated[Path, OUTPUT]
Models = Annotated[
    Path | None, Parameter(name=["--models", "--model", "-m"], help="Folder of model packages")
]
Tool = Annotated[
    Literal["docker", "podman", "buildah"] | None,
    Parameter(help="Program that builds and runs images; default: the first that is installed"),
]


def exec_(
    folder: Path,
    /,
    *,
    input: Input,
    output: Output,
    models: Models = None,
    workdir: Annotated[Path | None, Parameter(name=["--workdir", "-w"], help="Working folder")] = None,
    log_level: Annotated[str | None, Parameter(name=["--log-level", "-l"], help="DEBUG to CRITICAL")] = None,
) -> int:
    """Run the MONAI Deploy application in FOLDER, as `monai-deploy exec` did.

    Parameters
    ----------
    folder
        Folder of the application, with __main__.py.
    """
    main = folder / "__main__.py" if folder.is_dir() else folder
    if not main.is_file():
        raise UsageError(f"expected an application's folder with __main__.py, or a file, got {folder}")
    options = {"input": input, "output": output, "model": models, "workdir": workdir, "log_level": log_level}
    given = [word for name, value in options.items() if value for word in (f"--{name}", str(value))]
    limit = seconds(os.environ.get("HOLOSCAN_TIMEOUT") or 0)
    return run_supervised([sys.executable, "-u", str(folder), *given], os.environ, limit)


def package(
    *more: Annotated[str, Parameter(allow_leading_hyphen=True)],
    tag: Annotated[str, Parameter(name=["--tag", "-t"])],
    tool: Tool = None,
    variant: Literal["cpu", "cuda"] = "cpu",
) -> int:
    """Build the image of this application; arguments after `--` go to the tool.

    Parameters
    ----------
    more
        Options for the tool.
    tag
        Name of the image.
    variant
        cpu, or cuda for GPUs.
    """
    program = tool_named(tool)
    application = configuration(ROOT)["application"]
    arguments = {
        "VARIANT": variant,
        "GPUS": str(int(variant == "cuda")),
        "VERSION": application["version"],
        "REVISION": revision(),
    }
    words = build_words(program, tag, ROOT, arguments, list(more))
    code = subprocess.run(words, check=False).returncode
    if code:
        raise OutputError(f"expected {program} to build {tag}, got exit code {code}; see its messages above")
    return 0


def run_map(image: str, /, *, input: Input, output: Output, models: Models = None, tool: Tool = None) -> int:
    """Run the package IMAGE as a container without network and with read-only input.

    Parameters
    ----------
    image
        Name of a local image.
    """
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


def show(image_or_folder: str, /, *, tool: Tool = None) -> int:
    """Print the manifests of an image, or those that the image of a folder will have.

    Parameters
    ----------
    image_or_folder
        Name of an image, or folder of an application.
    """
    if not Path(image_or_folder).is_dir():
        return run_container(image_tool(image_or_folder, tool), Container(image_or_folder, ("show",)))
    for path, manifest in manifests_of(Path(image_or_folder)).items():
        print(f"{f' {path} ':=^70}")
        print(json.dumps(manifest, indent=2))
    return 0


def extract(image_or_folder: str, /, *, output: Output, tool: Tool = None) -> int:
    """Copy the application, manifests, models and documents out of an image or a folder.

    Parameters
    ----------
    image_or_folder
        Name of an image, or folder of an application.
    """
    if not Path(image_or_folder).is_dir():
        program = image_tool(image_or_folder, tool)
        make_folder(output, "an output folder")
        export = Mount(output, str(layout.EXPORT_MOUNT), writable=True)
        return run_container(program, Container(image_or_folder, ("extract",), [export]))
    folder = Path(image_or_folder)
    found = manifests_of(folder)
    make_folder(output, "an output folder")
    for path, manifest in found.items():
        target = output / layout.EXTRACTED[At(path)]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    shutil.copytree(folder / "models", output / "models", dirs_exist_ok=True)
    return 0


def validate(image_or_folder: str, /, *, tool: Tool = None) -> int:
    """Check a package against the specification of MONAI Application Packages.

    Parameters
    ----------
    image_or_folder
        Name of an image, or folder of an application.
    """
    if Path(image_or_folder).is_dir():
        found = faults(manifests_of(Path(image_or_folder)))
    else:
        with tempfile.TemporaryDirectory() as place:
            found = faults(image_manifests(image_or_folder, image_tool(image_or_folder, tool), Path(place)))
    for fault in found:
        print(fault)
    if not found:
        print(f"{image_or_folder}: a MONAI Application Package of both generations")
    return UsageError.exit_code if found else 0


def revision() -> str:
    """Returns the commit of this checkout, or '' without a checkout or without git."""
    words = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    try:
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        return ""


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
