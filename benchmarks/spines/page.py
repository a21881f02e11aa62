"""Writes the page of the accuracy on bones in a row from its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.accuracy.tables import NONE, markdown, number
from benchmarks.kept_rows import Row, pictures_of

SCANS = ("scan", "bones", "identified", "right", "flagged", "doubled", "skipped", "false", "shifted, no flag",
         "Dice of outlines", "height mm")  # fmt: skip


def write_page(
    rows: Sequence[Row], package: str, remarks: Mapping[str, str], pictures: Path, page: Path
) -> None:
    """Writes the page; `pictures` is the folder of the real CTs' pictures, `remarks` what is seen in them."""
    made = [row for row in rows if "bones" in row]
    real = [row for row in rows if "found" in row]
    lines = (
        (row["case"], *(", ".join(row[key]) or NONE for key in ("shows", "found", "flags"))) for row in real
    )
    parts = [
        "# Accuracy on bones in a row\n",
        f"The package {package} on simulated CTs of shapes that training never saw, and on real CTs.",
        "**Not for clinical use.** `python -m benchmarks.spines --data DATA` writes this page.\n",
        metrics_table(made),
        "\n## Simulated CTs\n",
        markdown(SCANS, scan_rows(made)),
        "\n## Real CTs\n",
        markdown(("scan", "known to show", "likeliest levels", "flags"), lines),
        *pictures_of(real, remarks, pictures.name),
    ]
    page.write_text("\n".join(parts) + "\n", encoding="utf-8")


def metrics_table(rows: Sequence[Row]) -> str:
    """Returns the table of all simulated CTs together, with floors and aims."""
    bones = [bone for row in rows for bone in row["bones"]]
    lines = (
        ("identified (VerSe's rule)", 0.95, 0.99, mean_of([bone["identified"] for bone in bones])),
        ("whole sequence right, of scans", 0.9, 0.99, mean_of([row["is_right"] for row in rows])),
        ("Dice of a level", 0.88, 0.93, mean_of([bone["dice"] for bone in bones])),
        (
            "Dice of an outline, whatever its name",
            None,
            None,
            mean_of([bone["outline_dice"] for bone in bones]),
        ),
        ("doubled or skipped, a scan", 0.05, 0.0, mean_of([row["doubled"] + row["skipped"] for row in rows])),
        ("names shifted without a flag", 0.0, 0.0, float(sum(row["shifted_unflagged"] for row in rows))),
        ("height error mm", 1.0, 0.5, mean_of([bone["height_error_mm"] for bone in bones])),
    )
    return markdown(
        ("metric", "floor", "aim", "measured"),
        [(name, *(number(value, 3) for value in values)) for name, *values in lines],
    )


def scan_rows(rows: Sequence[Row]) -> Iterator[Sequence[str]]:
    """Yields a line for each simulated CT."""
    for row in rows:
        bones = row["bones"]
        yield (
            row["case"],
            str(len(bones)),
            number(row["identified"], 3),
            "yes" if row["is_right"] else "no",
            "yes" if row["is_flagged"] else "no",
            *(str(row[name]) for name in ("doubled", "skipped", "false_bones", "shifted_unflagged")),
            number(mean_of([bone["outline_dice"] for bone in bones]), 3),
            number(mean_of([bone["height_error_mm"] for bone in bones]), 2),
        )


def mean_of(values: Sequence[float | None]) -> float | None:
    """Returns the mean of the known values; None without any."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
