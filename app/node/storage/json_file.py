"""Writes and reads small JSON files of the node, atomically and durably."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from operators.dicom.elements.atomic_file import write_whole


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Writes a JSON object atomically; it is durable on return. Raises UnwritableError."""
    content = json.dumps(values).encode()
    write_whole(path, lambda file: file.write(content))


def read_json(path: Path) -> dict[str, Any]:
    """Returns the JSON object in a file, or {} for any other JSON value.

    Raises OSError, including FileNotFoundError, and ValueError for invalid JSON.
    """
    found = json.loads(path.read_text(encoding="utf-8"))
    return found if isinstance(found, dict) else {}
