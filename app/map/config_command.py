"""`osteon config`: the schema of app.yaml, and what is wrong in one."""

from __future__ import annotations

import json
import os
from pathlib import Path

from app.map.configuration import SCHEMA, faults, schema
from app.settings import ROOT
from operators.errors import UsageError


def check_command(path: Path | None) -> int:
    """Prints every fault; usage's exit code where there is one."""
    file = path or Path(os.environ.get("HOLOSCAN_CONFIG_PATH") or ROOT / "app.yaml")
    found = faults(file)
    for fault in found:
        print(fault)
    if not found:
        print(f"{file}: nothing wrong")
    return UsageError.exit_code if found else 0


def schema_command(write: bool) -> int:
    """Prints the schema, or writes it beside app.yaml."""
    text = json.dumps(schema(), indent=1) + "\n"
    if write:
        SCHEMA.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return 0
