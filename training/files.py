"""Files that a training writes: JSON and CSV, whole or not at all, and logs of JSON lines."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from operators.dicom.elements.atomic_file import write_whole
from operators.errors import UnwritableError, reason


def write_json(path: Path, content: object) -> None:
    """Writes a JSON file. Raises UnwritableError."""
    write_text(path, json.dumps(content, indent=1) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes a text file. Raises UnwritableError."""
    write_whole(path, lambda file: file.write(text.encode()))


def with_block(page: str, begin: str, end: str, block: str) -> str:
    """Returns a model card, or another page, with `block` between its markers. Raises ValueError."""
    before, begun, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not (begun and ended):
        raise ValueError(f"expected a model card with {begin} and {end}")
    return f"{before}{begin}{block}{end}{after}"


def csv_text(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Returns a table as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    return text.getvalue()


def append_line(log: Path, content: Mapping[str, object]) -> None:
    """Adds a line to a log, whole or not at all. Raises UnwritableError."""
    line = (json.dumps(content) + "\n").encode()
    with log.open("ab", buffering=0) as file:
        before = file.tell()
        try:
            written = file.write(line)
            if written < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            file.truncate(before)
            raise UnwritableError(
                f"expected a writable folder for {log.name}, got: {reason(error)}"
            ) from error
