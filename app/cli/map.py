"""The commands of the MONAI Application Package, with the arguments of `monai-deploy` where it had them.

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
    Parameter(help="What builds and runs images; the first that is installed unless given"),
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
    """Build the image of this application; what follows `--` goes to the tool.

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
    """Run the package IMAGE as a container without network, its input read-only.

    Parameters
    ----------
    image
        Name of an image that is here.
    """
    from app.map.command import run_map_command

    return run_map_command(image, input, output, models, tool)


def show(image_or_folder: str, /, *, tool: Tool = None) -> int:
    """Print the manifests of an image, or those that a folder's image will have.

    Parameters
    ----------
    image_or_folder
        Name of an image, or folder of an application.
    """
    from app.map.command import show_command

    return show_command(image_or_folder, tool)


def extract(image_or_folder: str, /, *, output: Output, tool: Tool = None) -> int:
    """Copy application, manifests, models and documents out of an image or a folder.

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
    config: Annotated[Path | None, Parameter(name="--config", help="The same as FILE")] = None,
) -> int:
    """Say which configuration file is read and everything that is wrong in it, or in FILE.

    Parameters
    ----------
    file
        Configuration file; the one that counts here unless given.
    """
    from app.map.config_command import check_command

    return check_command(file or config)


@config_app.command
def schema(*, write: Annotated[bool, Parameter(negative="")] = False) -> int:
    """Print the JSON schema of app.yaml, with which editors complete it; --write keeps it beside app.yaml.

    Parameters
    ----------
    write
        Write it beside app.yaml instead.
    """
    from app.map.config_command import schema_command

    return schema_command(write)


def run_application(
    *,
    input: Annotated[Path | None, INPUT] = None,
    output: Annotated[Path | None, OUTPUT] = None,
    model: Annotated[Path | None, Parameter(name=["--model", "-m"], help="Folder of model packages")] = None,
    workdir: Annotated[Path | None, Parameter(name=["--workdir", "-w"], help="Accepted; not needed")] = None,
    log_level: Annotated[str, Parameter(name=["--log_level", "-l"], help="Accepted; errors are logged")] = "",
) -> int:
    """Segment every suitable series; paths not given come from HOLOSCAN_* or MONAI_* variables."""
    from app.cli.run import run_command
    from app.map.mercure import write_result

    del workdir, log_level
    try:
        return run_command(None, False, input=input, output=output, models=model)
    finally:
        if results := os.environ.get("MERCURE_OUT_DIR"):
            write_result(Path(results))


def main(arguments: list[str]) -> None:
    """Runs the application over a folder, and exits with the published code."""
    application = new_app("osteon", "DICOM series in, DICOM SEG of bones and fracture fragments out.")
    application.default(run_application)
    execute(application, arguments)
