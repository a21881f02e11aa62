"""Osteon's own layout.

DATA/
  images.csv       file, split (train or dev), fractured (0 or 1), a column for each attribute;
                   patient (any text), where it is known
  fractures.json   COCO, one category: polygons in pixels of the files
  images/
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from operators.errors import UsageError
from training.radiograph.datasets.coco import CocoOutlines, polygons, read_coco
from training.radiograph.datasets.entries import Entry
from training.radiograph.datasets.radiograph import ATTRIBUTES
from training.radiograph.datasets.tables import Row, entries_of, flag, rows_of

COLUMNS = ("file", "split", "fractured", *ATTRIBUTES)


def entries(folder: Path) -> Iterator[Entry]:
    """Yields the images of `images.csv`. Raises UsageError if an outlined image is not listed."""
    outlines, _ = read_coco(folder / "fractures.json")
    table = folder / "images.csv"
    unknown = sorted(set(outlines) - {row["file"] for row in rows_of(table, COLUMNS)})
    if unknown:
        raise UsageError(f"fractures.json outlines {unknown[0]}, which images.csv does not list")
    yield from entries_of(table, COLUMNS, partial(entry_of, folder / "images", outlines))


def entry_of(images: Path, outlines: CocoOutlines, row: Row) -> Entry:
    """Returns the entry of a row. Raises ValueError."""
    return Entry(
        name=row["file"],
        path=images / row["file"],
        split=row["split"],
        fractured=flag(row, "fractured"),
        attributes=tuple(attribute(row, name) for name in ATTRIBUTES),
        outlines=partial(polygons, outlines.get(row["file"], [])),
        patient=row.get("patient") or "",
    )


def attribute(row: Row, name: str) -> float:
    """Returns an attribute, NaN if it is not known. Raises ValueError if it is neither 0 nor 1 nor NaN."""
    return float("nan") if row[name].strip().lower() == "nan" else float(flag(row, name))
