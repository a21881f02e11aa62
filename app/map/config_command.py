"""`osteon config`: prints the schema of app.yaml, and checks a configuration file."""

from __future__ import annotations

import json
from pathlib import Path

from app.configuration_file import FILE_NAME
from app.map.configuration import SCHEMA, faults, schema
from app.printable import counted
from app.settings import file_in_use
from operators.errors import UsageError


def check_command(path: Path | None) -> int:
    """Prints which file is read and its faults, and returns the exit code of UsageError if there are any."""
    file = path or file_in_use()
    if file is None:
        raise UsageError(f"expected {FILE_NAME} here or beside the application, got none")
    found = faults(file)
    print(f"{file.resolve()}: {counted(len(found), 'fault') if found else 'no faults'}")
    for fault in found:
        print(f"  {fault}")
    return UsageError.exit_code if found else 0


def schema_command(write: bool) -> int:
    """Prints the schema, or writes it beside app.yaml."""
    text = json.dumps(schema(), indent=1) + "\n"
    if write:
        SCHEMA.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return 0
