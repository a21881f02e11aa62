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

import numpy as np

from operators.errors import UsageError
from training.radiograph.dataset import ATTRIBUTES, read_outlines
from training.radiograph.datasets.entries import Entry, Outlines, Size, rows_of


def entries(folder: Path) -> Iterator[Entry]:
    """The images of `images.csv`. Raises UsageError if an outlined image is not listed."""
    try:
        outlines = read_outlines(folder / "fractures.json")
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"expected outlines as COCO in fractures.json, could not read it: {error}"
        ) from error
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


def polygons(outlines: list[list[list[float]]], size: Size) -> Outlines:  # noqa: ARG001 (a FindOutlines)
    """Polygons from lists x, y, x, y ... Raises ValueError."""
    return [[np.reshape(np.array(one, np.float64), (-1, 2)) for one in outline] for outline in outlines]
