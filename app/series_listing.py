"""Lists the series of a folder and what would become of each, without reading any pixels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from operators.dicom.scan import Scan, UnreadableFile, require_series, scan, told
from operators.dicom.selection import Outcome, Refusal, Selection, select
from operators.imaging.packages import ModelPackage

Row = dict[str, Any]


def list_series(folder: Path, packages: Sequence[ModelPackage], package_name: str | None = None) -> list[Row]:
    """A row for each outcome of each series, ready for JSON. Raises UnreadableError, UsageError."""
    return rows_of(scan(folder), packages, package_name)


def rows_of(found: Scan, packages: Sequence[ModelPackage], package_name: str | None = None) -> list[Row]:
    """The same of a folder that was already scanned."""
    require_series(found)
    return [_row(outcome) for outcome in select(found, packages, package_name)]


def _row(outcome: Outcome) -> Row:
    series, grid = outcome.series, outcome.series.grid
    refusal = {"code": outcome.code, "text": outcome.text} if isinstance(outcome, Refusal) else None
    return {
        "study_instance_uid": series.study_instance_uid,
        "series_instance_uid": series.series_instance_uid,
        "other_series": list(series.other_series),
        "part": series.part,
        "modality": series.modality,
        "description": series.description,
        "instances": series.instances,
        "slices": len(series.frames),
        "rows": series.rows,
        "columns": series.columns,
        "spacing_mm": [round(step, 6) for step in grid.spacing_mm] if grid else None,
        "ijk_to_lps": grid.ijk_to_lps.tolist() if grid and refusal is None else None,
        "package": outcome.package.name if isinstance(outcome, Selection) else None,
        "refusal": refusal,
        "warnings": list(series.warnings),
    }


def render(rows: Iterable[Row], console: Console, unreadable: Sequence[UnreadableFile] = ()) -> None:
    """The rows as a table, and below it the files that could not be read."""
    table = Table("series", "modality", "slices", "size", "spacing", "outcome", title="Series")
    for row in rows:
        table.add_row(*map(escape, _cells(row)))
    console.print(table)
    for file, name in told(unreadable):
        console.print(escape(f"unreadable: {name}: {file.reason}"))


def _cells(row: Row) -> tuple[str, ...]:
    spacing_mm = row["spacing_mm"]
    return (
        "\n".join(filter(None, (row["description"] or row["series_instance_uid"], row["part"]))),
        row["modality"],
        str(row["slices"]),
        f"{row['columns']} x {row['rows']}",
        " x ".join(f"{step:.2f}" for step in spacing_mm) + " mm" if spacing_mm else "",
        "\n".join((_outcome(row), *row["warnings"])),
    )


def _outcome(row: Row) -> str:
    refusal = row["refusal"]
    return f"refused: {refusal['text']} ({refusal['code']})" if refusal else str(row["package"])
