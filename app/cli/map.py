"""The commands of the MONAI Application Package; they share the arguments of `monai-deploy`.

`main` is the command line of the packaged folder, as `monai-deploy exec` and MAP runners call it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from app.cli.arguments import INPUT, OUTPUT
from app.cli.command_line import execute, new_app

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
    from app.map.command import exec_command

    given = {"input": input, "output": output, "model": models, "workdir": workdir, "log_level": log_level}
    return exec_command(folder, given)


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
    from app.map.command import package_command

    return package_command(tag, tool, variant, list(more))


def run_map(image: str, /, *, input: Input, output: Output, models: Models = None, tool: Tool = None) -> int:
    """Run the package IMAGE as a container without network and with read-only input.

    Parameters
    ----------
    image
        Name of a local image.
    """
    from app.map.command import run_map_command

    return run_map_command(image, input, output, models, tool)


def show(image_or_folder: str, /, *, tool: Tool = None) -> int:
    """Print the manifests of an image, or those that the image of a folder will have.

    Parameters
    ----------
    image_or_folder
        Name of an image, or folder of an application.
    """
    from app.map.command import show_command

    return show_command(image_or_folder, tool)


def extract(image_or_folder: str, /, *, output: Output, tool: Tool = None) -> int:
    """Copy the application, manifests, models and documents out of an image or a folder.

    Parameters
    ----------
    image_or_folder
        Name of an image, or folder of an application.
    """
    from app.map.command import extract_command

    return extract_command(image_or_folder, output, tool)


def validate(image_or_folder: str, /, *, tool: Tool = None) -> int:
    """Check a package against the specification of MONAI Application Packages.

    Parameters
    ----------
    image_or_folder
        Name of an image, or folder of an application.
    """
    from app.map.command import validate_command

    return validate_command(image_or_folder, tool)


config_app = App(name="config", help="The configuration file: check, schema.")


@config_app.command
def check(
    file: Path | None = None,
    /,
    *,
    config: Annotated[Path | None, Parameter(name="--config", help="Same as FILE")] = None,
) -> int:
    """Say which configuration file is read and list every fault in it, or in FILE.

    Parameters
    ----------
    file
        Configuration file; default: the one that other commands would read here.
    """
    from app.map.config_command import check_command

    return check_command(file or config)


@config_app.command
def schema(*, write: Annotated[bool, Parameter(negative="")] = False) -> int:
    """Print the JSON schema of app.yaml, which editors use for completion; --write saves it beside app.yaml.

    Parameters
    ----------
    write
        Write the schema beside app.yaml instead of printing it.
    """
    from app.map.config_command import schema_command

    return schema_command(write)


def run_application(
    *,
    input: Annotated[Path | None, INPUT] = None,
    output: Annotated[Path | None, OUTPUT] = None,
    model: Annotated[Path | None, Parameter(name=["--model", "-m"], help="Folder of model packages")] = None,
    workdir: Annotated[Path | None, Parameter(name=["--workdir", "-w"], help="Accepted and ignored")] = None,
    log_level: Annotated[str, Parameter(name=["--log_level", "-l"], help="Accepted and ignored")] = "",
) -> int:
    """Segment every suitable series; paths that are not given come from HOLOSCAN_* or MONAI_* variables."""
    from app.cli.run_outcome import run_command
    from app.map.mercure import write_result

    del workdir, log_level
    try:
        return run_command(None, False, input=input, output=output, models=model)
    finally:
        if results := os.environ.get("MERCURE_OUT_DIR"):
            write_result(Path(results))


def main(arguments: list[str]) -> None:
    """Runs the application and exits with its published exit code."""
    application = new_app("osteon", "Reads DICOM series, writes DICOM SEG of bones and fracture fragments.")
    application.default(run_application)
    execute(application, arguments)
