"""Small JSON files of the node: written whole and durably, read back as what was written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from operators.dicom.elements.atomic_file import write_whole


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Durable when this returns, or nothing of it is there. Raises UnwritableError."""
    content = json.dumps(values).encode()
    write_whole(path, lambda file: file.write(content))


def read_json(path: Path) -> dict[str, Any]:
    """Returns what was written; {} for a JSON value that is no object.

    Raises OSError, FileNotFoundError among them, and ValueError for what is no JSON.
    """
    found = json.loads(path.read_text(encoding="utf-8"))
    return found if isinstance(found, dict) else {}
