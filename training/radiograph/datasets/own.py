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
from training.radiograph.datasets.entries import Entry, polygons, read_coco, rows_of
from training.radiograph.datasets.radiograph import ATTRIBUTES


def entries(folder: Path) -> Iterator[Entry]:
    """Yields the images of `images.csv`. Raises UsageError if an outlined image is not listed."""
    outlines, _ = read_coco(folder / "fractures.json")
    rows = list(rows_of(folder / "images.csv", ("file", "split", "fractured", *ATTRIBUTES)))
    unknown = sorted(set(outlines) - {row["file"] for row in rows})
    if unknown:
        raise UsageError(f"fractures.json outlines {unknown[0]}, which images.csv does not list")
    for row in rows:
        yield Entry(
            name=row["file"],
            path=folder / "images" / row["file"],
            split=row["split"],
            fractured=row["fractured"] == "1",
            attributes=tuple(float(row[name]) for name in ATTRIBUTES),
            outlines=partial(polygons, outlines.get(row["file"], [])),
            patient=row.get("patient") or "",
        )
