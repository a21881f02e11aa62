"""`osteon config`: prints the schema of app.yaml, and checks a configuration file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from app.configuration_file import FILE_NAME
from app.map.configuration import SCHEMA, faults
from app.map.configuration import schema as file_schema
from app.printable import counted
from app.settings import file_in_use
from operators.errors import UsageError

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
    path = file or config or file_in_use()
    if path is None:
        raise UsageError(f"expected {FILE_NAME} here or beside the application, got none")
    found = faults(path)
    print(f"{path.resolve()}: {counted(len(found), 'fault') if found else 'no faults'}")
    for fault in found:
        print(f"  {fault}")
    return UsageError.exit_code if found else 0


@config_app.command
def schema(*, write: Annotated[bool, Parameter(negative="")] = False) -> int:
    """Print the JSON schema of app.yaml, which editors use for completion; --write saves it beside app.yaml.

    Parameters
    ----------
    write
        Write the schema beside app.yaml instead of printing it.
    """
    text = json.dumps(file_schema(), indent=1) + "\n"
    if write:
        SCHEMA.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return 0
