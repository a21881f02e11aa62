"""The tables of data sets, in which each row describes an image."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from operators.errors import UsageError, reason
from training.radiograph.datasets.entries import Entry, FaultError
from training.radiograph.datasets.radiograph import UNKNOWN

Row = Mapping[str, str]


def rows_of(path: Path, columns: tuple[str, ...]) -> Iterator[Row]:
    """Yields the rows of a table. Raises UsageError if it lacks a column or cannot be read."""
    line = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise UsageError(f"expected the column {missing[0]} in {path.name}, found none")
            for row in reader:
                line = reader.line_num
                yield row
    except UnicodeDecodeError as error:
        raise UsageError(f"expected UTF-8 text in {path.name}, got other bytes") from error
    except csv.Error as error:
        raise UsageError(
            f"expected comma-separated values in {path.name}, could not read on after line {line}: {error}"
        ) from error
    except OSError as error:
        raise UsageError(f"expected a table in {path.name}, could not read it: {reason(error)}") from error


def entries_of(path: Path, columns: tuple[str, ...], make: Callable[[Row], Entry]) -> Iterator[Entry]:
    """Yields the entry of each row; a row that `make` raises ValueError or OSError for is not usable.

    The first of the columns names the image. Raises UsageError if the table cannot be read.
    """
    for number, row in enumerate(rows_of(path, columns), 1):
        try:
            require_whole(row, columns[0])
            entry = make(row)
        except (ValueError, OSError) as error:
            name = row[columns[0]] or f"row {number} of {path.name}"
            fault = FaultError("row_unreadable", reason(error))
            entry = Entry(name, path.parent / name, "train", False, UNKNOWN, fault=fault)
        yield entry


def require_whole(row: Mapping[Any, Any], name: str) -> None:
    """Raises ValueError for a row of more or fewer cells than the table's header, or without a name."""
    missing = [column for column, cell in row.items() if cell is None]
    if missing:
        raise ValueError(f"expected {len(row)} cells, the row ends before {missing[0]}")
    # DictReader's key for the cells beyond the last column
    if any(row.get(None, ())):
        raise ValueError(f"expected {len(row) - 1} cells, got {len(row[None])} more")
    if not row[name].strip():
        raise ValueError(f"expected the name of an image as {name}, got none")


def flag(row: Row, column: str) -> bool:
    """Returns whether a cell is 1. Raises ValueError if it is neither 0 nor 1."""
    try:
        value = float(row[column])
    except ValueError:
        value = float("nan")
    if value not in (0, 1):
        raise ValueError(f"expected 0 or 1 as {column}, got {row[column]!r:.40}")
    return value == 1
