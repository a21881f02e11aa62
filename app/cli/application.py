"""The command line of the packaged application, as `monai-deploy exec` and MAP runners call it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from app.cli.arguments import INPUT, OUTPUT
from app.cli.command_line import execute, new_app


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
