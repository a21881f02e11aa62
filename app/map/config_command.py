"""`osteon config`: the schema of app.yaml, and what is wrong in one."""

from __future__ import annotations

import json
from pathlib import Path

from app.configuration_file import FILE_NAME
from app.map.configuration import SCHEMA, faults, schema
from app.settings import file_in_use
from operators.errors import UsageError


def check_command(path: Path | None) -> int:
    """Prints which file is read, and every fault in it; usage's exit code where there is one."""
    file = path or file_in_use()
    if file is None:
        raise UsageError(f"expected {FILE_NAME} here or beside the application, got none")
    found = faults(file)
    print(f"{file.resolve()}: {f'{len(found)} wrong' if found else 'nothing wrong'}")
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
