"""Reports an evaluation as tables and as JSON, with mean and range over the cases."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from operators.errors import OutputError, reason
from operators.evaluation.metrics import Agreement, BoneMetrics, CaseMetrics


@dataclass(frozen=True)
class CaseResult:
    """The metrics of one pair, notes on how they were made comparable, and the picture if drawn."""

    name: str
    metrics: CaseMetrics
    notes: tuple[str, ...] = ()
    picture: Path | None = None


@dataclass(frozen=True)
class Column:
    """One metric of a case: its JSON key, its heading, its getter and its decimal digits."""

    key: str
    heading: str
    get: Callable[[CaseMetrics], float | None]
    digits: int


@dataclass(frozen=True)
class Spread:
    """Mean and range of a metric over the cases that have it."""

    mean: float
    least: float
    greatest: float
    cases: int


# The six metrics of PENGWIN 2024.
CHALLENGE = (
    Column("anatomy_iou", "bone\nIoU", lambda metrics: metrics.anatomy.iou, 3),
    Column("anatomy_hd95_mm", "bone\nHD95 mm", lambda metrics: metrics.anatomy.hd95_mm, 2),
    Column("anatomy_assd_mm", "bone\nASSD mm", lambda metrics: metrics.anatomy.assd_mm, 2),
    Column("fragment_iou", "fragment\nIoU", lambda metrics: metrics.fragment.iou, 3),
    Column("fragment_hd95_mm", "fragment\nHD95 mm", lambda metrics: metrics.fragment.hd95_mm, 2),
    Column("fragment_assd_mm", "fragment\nASSD mm", lambda metrics: metrics.fragment.assd_mm, 2),
)
# What those do not show: false, merged and split fragments, and the fracture itself.
HIDDEN = (
    Column("fractured_iou", "broken\nIoU", lambda metrics: metrics.fractured_iou, 3),
    Column("whole_iou", "(un-\nsplit)", lambda metrics: metrics.whole_iou, 3),
    Column("local_dice", "Dice\n20 mm", lambda metrics: metrics.local_dice, 3),
    Column("recall", "re-\ncall", lambda metrics: metrics.detection.recall, 2),
    Column("precision", "preci-\nsion", lambda metrics: metrics.detection.precision, 2),
    Column("f1", "\nF1", lambda metrics: metrics.detection.f1, 2),
    Column("merges", "mer-\nged", lambda metrics: metrics.merges, 0),
    Column("splits", "\nsplit", lambda metrics: metrics.splits, 0),
    Column("false_fragments", "\nfalse", lambda metrics: metrics.false_fragments, 0),
)
COLUMNS = CHALLENGE + HIDDEN


def show(results: Sequence[CaseResult], console: Console) -> None:
    """Prints the cases, their mean and range, the bones of a single case, and all notes."""
    console.print(case_table(results, "Agreement with the ground truth (PENGWIN 2024)", CHALLENGE))
    console.print(case_table(results, "Fractures and fragments", HIDDEN))
    if len(results) == 1:
        console.print(bone_table(results[0].metrics.bones))
    for result in results:
        for note in result.notes:
            console.print(f"{result.name}: {note}", markup=False)
        for bone in result.metrics.absent_bones:
            console.print(f"{result.name}: {bone} was predicted but is not in the truth", markup=False)


def case_table(results: Sequence[CaseResult], title: str, columns: Sequence[Column]) -> Table:
    """Returns a table with a row for each case, and the mean and range if there are several."""
    table = Table(title=title, show_edge=False)
    table.add_column("case")
    for column in columns:
        table.add_column(column.heading, justify="right")
    for result in results:
        texts = [_text(column.get(result.metrics), column.digits) for column in columns]
        table.add_row(escape(result.name), *texts)
    if len(results) > 1:
        _add_summary(table, summary(results), columns)
    return table


def bone_table(bones: Sequence[BoneMetrics]) -> Table:
    """Returns a table with a row for each bone of the truth and each fragment of a fractured bone."""
    table = Table(title="Bones and fragments", show_edge=False)
    for heading in ("bone", "value", "matched", "ml", "IoU", "HD95 mm", "ASSD mm", "Dice 20 mm"):
        table.add_column(heading, justify="left" if heading == "bone" else "right")
    for bone in bones:
        for row in _bone_rows(bone):
            table.add_row(*row)
    return table


def summary(results: Sequence[CaseResult]) -> dict[str, Spread | None]:
    """Returns mean and range of every column over the cases that have it, or None if none has."""
    return {column.key: _spread([column.get(result.metrics) for result in results]) for column in COLUMNS}


def as_json(results: Sequence[CaseResult]) -> str:
    """Returns all metrics of all cases, bones and fragments, and the summary, as JSON."""
    content = {
        "cases": [_case(result) for result in results],
        "summary": {key: spread and asdict(spread) for key, spread in summary(results).items()},
    }
    return json.dumps(content, indent=1)


def write_json(results: Sequence[CaseResult], path: Path) -> None:
    """Writes `as_json` to a file. Raises OutputError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(as_json(results), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"expected to write the evaluation to {path}, got: {reason(error)}") from error


def _case(result: CaseResult) -> dict[str, object]:
    picture = result.picture and result.picture.name
    metrics = {column.key: column.get(result.metrics) for column in COLUMNS}
    detail = asdict(result.metrics)
    return {"name": result.name, "notes": result.notes, "picture": picture, **metrics, "detail": detail}


def _spread(values: Sequence[float | None]) -> Spread | None:
    known = [value for value in values if value is not None]
    return Spread(sum(known) / len(known), min(known), max(known), len(known)) if known else None


def _add_summary(table: Table, spreads: dict[str, Spread | None], columns: Sequence[Column]) -> None:
    table.add_section()
    for name in ("mean", "least", "greatest"):
        # The mean of a count is not a whole number.
        more = 1 if name == "mean" else 0
        texts = [_text(getattr(spreads[c.key], name, None), max(c.digits, more)) for c in columns]
        table.add_row(name, *texts)


def _bone_rows(bone: BoneMetrics) -> list[list[str]]:
    """Returns the rows of a bone and its fragments."""
    rows = [[bone.name, "", "", "", *_measures(bone.anatomy, bone.local_dice)]]
    for fragment in bone.fragments if bone.fractured else ():
        matched = "-" if fragment.matched_value is None else str(fragment.matched_value)
        volume = f"{fragment.volume_ml:.1f}"
        measures = _measures(fragment.agreement, fragment.local_dice)
        rows.append(["  fragment", str(fragment.value), matched, volume, *measures])
    return rows


def _measures(agreement: Agreement, local_dice: float | None) -> list[str]:
    measured = ((agreement.iou, 3), (agreement.hd95_mm, 2), (agreement.assd_mm, 2), (local_dice, 3))
    return [_text(value, digits) for value, digits in measured]


def _text(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
