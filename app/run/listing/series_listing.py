"""Lists the series of a folder, or its images in other formats, and the outcome that each would have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from app.printable import counted, printable, printable_json, printable_text
from app.run.inputs import opened_input
from operators.dicom.headers.projection_spacing import projection_spacing
from operators.dicom.headers.series import Series
from operators.dicom.read.scan import Scan, UnreadableFile, grouped_by_reason, require_series, scan
from operators.dicom.select.selection import Outcome, Refusal, Selection, select
from operators.packages.packages import ModelPackage

Row = dict[str, Any]


def rows_of(found: Scan, packages: Sequence[ModelPackage], package_name: str | None = None) -> list[Row]:
    """Returns a row for each series of a scan, ready for JSON. Raises UnreadableError, UsageError."""
    require_series(found)
    by_series = groupby(select(found, packages, package_name), key=lambda outcome: id(outcome.series))
    return [_row(list(outcomes)) for _, outcomes in by_series]


def _row(outcomes: Sequence[Outcome]) -> Row:
    """Describes one series: the packages that accept it, else why the first of them does not."""
    outcome = outcomes[0]
    series = outcome.series
    readers = [each.package.name for each in outcomes if isinstance(each, Selection)]
    refusal = None
    if isinstance(outcome, Refusal) and not readers:
        refusal = {"code": outcome.code, "text": outcome.text}
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
        "spacing_mm": _spacing_mm(series),
        "ijk_to_lps": _ijk_to_lps(series) if refusal is None else None,
        "package": ", ".join(readers) or None,
        "refusal": refusal,
        "warnings": list(series.warnings),
    }


def _spacing_mm(series: Series) -> list[float] | None:
    """Returns the spacing of a volume's grid; of a radiograph that of columns and rows; else None."""
    if not series.is_projection:
        return [round(step, 6) for step in series.grid.spacing_mm] if series.grid else None
    spacing, _ = projection_spacing(series.header)
    if spacing is None:
        return None
    return [round(step, 6) for step in (spacing.between_columns_mm, spacing.between_rows_mm)]


def _ijk_to_lps(series: Series) -> list[list[float]] | None:
    """Returns the transform of a volume into the patient's space; None for a radiograph."""
    if series.grid is None or series.is_projection:
        return None
    matrix: list[list[float]] = series.grid.ijk_to_lps.tolist()
    return matrix


def series_command(
    folder: Path, package: str | None, as_json: bool, config: Path | None, models: Path | None
) -> int:
    """Prints the series of a folder. Raises UsageError, UnreadableError, ModelError."""
    from app.run.folder import require_input
    from app.settings import read_settings
    from operators.package_files.package_reader import choose_packages, read_packages

    require_input(folder)
    models = read_settings(config, models=models).models
    with opened_input(folder) as place:
        found, listed, unread = scan(place), list[Row](), tuple[UnreadableFile, ...]()
        if found.others:
            from app.run.listing.file_listing import list_files  # its libraries take seconds to import

            listed, unread = list_files(found, choose_packages(models, package))
        rows = listed or rows_of(found, read_packages(models), package)
    if as_json:
        print(printable_json(rows))
    else:
        render(rows, Console(), (*found.unreadable, *unread))
    return 0


def render(rows: Sequence[Row], console: Console, unreadable: Sequence[UnreadableFile] = ()) -> None:
    """Prints a table on a terminal, else a line for each series; then the files that could not be read."""
    lines = [f"unreadable: {name}: {file.reason}" for file, name in grouped_by_reason(unreadable)]
    if console.is_terminal:
        console.print(series_table(rows))
    else:
        lines = [": ".join((name(row), ", ".join(images(row)), *outcomes(row))) for row in rows] + lines
    for line in lines:
        console.print(printable(line), markup=False, highlight=False, soft_wrap=True)


def series_table(rows: Iterable[Row]) -> Table:
    """Returns a table of three columns, which fits 80 characters."""
    table = Table(title="Series", show_lines=True)
    table.add_column("series", ratio=3, overflow="fold")
    table.add_column("images", no_wrap=True)
    table.add_column("outcome", ratio=4, overflow="fold")
    for row in rows:
        cells = (name(row), "\n".join(images(row)), "\n".join(outcomes(row)))
        table.add_row(*map(printable_text, cells))
    return table


def name(row: Row) -> str:
    """Returns the name of a series for people."""
    return " ".join(filter(None, (row["description"] or row["series_instance_uid"], row["part"])))


def images(row: Row) -> Iterator[str]:
    """Yields the modality, number of images, size and spacing."""
    yield f"{row['modality']}, {counted(row['slices'], 'slice')}" if row["slices"] else row["modality"]
    if row["columns"]:
        yield f"{row['columns']} x {row['rows']}"
    if row["spacing_mm"]:
        yield " x ".join(f"{step:.2f}" for step in row["spacing_mm"]) + " mm"


def outcomes(row: Row) -> Iterator[str]:
    """Yields the package, or why there is none, and the warnings."""
    refusal = row["refusal"]
    yield f"refused: {refusal['text']} ({refusal['code']})" if refusal else f"package {row['package']}"
    yield from row["warnings"]
