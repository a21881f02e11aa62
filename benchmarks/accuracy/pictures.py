"""Chooses pictures of the worst cases for the document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from benchmarks.accuracy import metrics
from benchmarks.accuracy.rows import Row, key_of, picture_name

# Most pictures of a group, and largest file: a repository keeps every version of them
MOST, LARGEST_BYTES = 3, 60_000
COLOURS = 64


def worst(rows: Sequence[Row], metric: metrics.Metric) -> list[Row]:
    """Returns the rows with the lowest metric, lowest first, without rows that lack it."""
    known = [(value, row) for row in rows if (value := metric([row])) is not None]
    return [row for _, row in sorted(known, key=lambda pair: pair[0])[:MOST]]


def chosen(patients: Sequence[Row], simulated: Sequence[Row], changed: Sequence[Row]) -> list[Row]:
    """Returns all patients whom the networks never saw, and the worst of the other groups."""
    return [*patients, *worst(simulated, metrics.fragment_iou), *worst(changed, metrics.anatomy("iou"))]


def copy_pictures(rows: Sequence[Row], source: Path, folder: Path) -> dict[str, str]:
    """Copies the rows' pictures into `folder` and removes others; returns captions by file name.

    A picture that is not in `source` stays as it is in `folder`, or is left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = {picture_name(key_of(row)): row for row in rows}
    for path in folder.glob("*.png"):
        if path.name not in names:
            path.unlink()
    for name in names:
        if (source / name).exists():
            save_small(source / name, folder / name)
    return {name: caption(row) for name, row in names.items() if (folder / name).exists()}


def save_small(source: Path, path: Path) -> None:
    """Saves a PNG with a palette, shrunk until it is small enough."""
    image = Image.open(source).convert("RGB")
    while True:
        image.quantize(COLOURS).save(path, optimize=True)
        if path.stat().st_size <= LARGEST_BYTES:
            return
        image = image.resize((image.width * 4 // 5, image.height * 4 // 5), Image.Resampling.LANCZOS)


def caption(row: Row) -> str:
    """Returns a caption: the case and its metrics."""
    outlines = metrics.anatomy("iou")([row])
    fragments = metrics.fragment_iou([row])
    text = f"{row['group']}: {row['case']}, anatomy IoU {outlines:.3f}"
    return text if fragments is None else f"{text}, fragment IoU {fragments:.3f}"
