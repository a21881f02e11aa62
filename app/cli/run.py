"""`osteon run` and `osteon series`: folders of images in, results and tables out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from app.cli.arguments import (
    INPUT,
    OUTPUT,
    Config,
    Device,
    Formats,
    Json,
    Mode,
    Models,
    OperatingPoint,
    Output,
    Package,
    Precision,
    Runtime,
)
from app.cli.command_line import execute, new_app


def run(
    folder: Path | None = None,
    /,
    *,
    output: Output = None,
    models: Models = None,
    package: Package = None,
    device: Device = None,
    runtime: Runtime = None,
    precision: Precision = None,
    mode: Mode = None,
    operating_point: OperatingPoint = None,
    files: Formats = None,
    config: Config = None,
    quiet: Annotated[bool, Parameter(negative="", help="Print errors only")] = False,
) -> int:
    """Segment every suitable series in FOLDER; write DICOM SEG, SR and pictures, and report.json.

    Parameters
    ----------
    folder
        Folder or file of DICOM.
    """
    from app.cli.run_outcome import run_command

    how = {"device": device, "runtime": runtime, "precision": precision, "mode": mode}
    what = {"operating_point": operating_point, "files": files}
    return run_command(package, quiet, config, input=folder, output=output, models=models, **how, **what)


def series(
    folder: Path,
    /,
    *,
    models: Models = None,
    package: Package = None,
    config: Config = None,
    json_: Json = False,
) -> int:
    """Say what is in FOLDER, what would be run or refused, and why; runs no network.

    Parameters
    ----------
    folder
        Folder or file of DICOM.
    """
    from app.run.listing.series_listing import series_command

    return series_command(folder, package, json_, config, models)


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
