"""`osteon run` and `osteon series`: folders of images in, results and tables out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from app.cli.arguments import (
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
    from app.run.series_listing import series_command

    return series_command(folder, package, json_, config, models)
