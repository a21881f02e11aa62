"""`osteon run`: progress on the screen while it goes on, a table when it is over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from app.report import SELECTED, SeriesRecord
from app.run import RunOutcome, run_folder
from app.settings import read_settings
from app.stage_clock import Show, silent
from operators.errors import UsageError


def run_command(
    folder: Path | None, output: Path | None, models: Path | None, package: str | None, device: str | None, quiet: bool
) -> int:
    """Runs over a folder; arguments not given come from the environment or app.yaml."""
    settings = read_settings(input=folder, output=output, models=models, device=device)
    if settings.input is None or settings.output is None:
        missing = "input folder" if settings.input is None else "output folder (-o OUT)"
        raise UsageError(f"expected an {missing}, got none; try: osteon run IN -o OUT")
    console = Console(stderr=True, quiet=quiet)
    with progress_display(console) as show:
        made_at = datetime.now().astimezone()
        outcome = run_folder(settings.input, settings.output, settings, package, made_at, show)
    show_outcome(outcome, console)
    return outcome.exit_code


@contextmanager
def progress_display(console: Console) -> Iterator[Show]:
    """One bar a stage, where a person looks on; else nothing."""
    if not console.is_terminal:
        yield silent
        return
    columns = (TextColumn("{task.description:<12}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        tasks = {}

        def show(step: str, done: float) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=1.0)
            bars.update(tasks[step], completed=done)

        yield show


def show_outcome(outcome: RunOutcome, console: Console) -> None:
    """What became of every series."""
    for record in outcome.series:
        if record.segmentation is not None:
            console.print(segments_table(record))
            console.print(f"[bold green]{record.result}[/] in {outcome.output}", highlight=False)
        else:
            console.print(f"[yellow]{record.code}[/] {title(record)}: {record.sentence}", highlight=False)
        for warning in record.warnings:
            console.print(f"  [dim]{warning}[/]", highlight=False)


def segments_table(record: SeriesRecord) -> Table:
    """The segments of one series."""
    table = Table(title=title(record), title_justify="left")
    for heading in ("segment", "volume", "confidence"):
        table.add_column(heading, justify="left" if heading == "segment" else "right")
    segmentation = record.segmentation
    for segment in segmentation.segments if segmentation else ():
        colour = "#{:02x}{:02x}{:02x}".format(*segment.rgb)
        table.add_row(f"[{colour}]■[/] {segment.label}", f"{segment.volume_ml:.1f} ml", f"{segment.confidence:.2f}")
    return table


def title(record: SeriesRecord) -> str:
    """A series as a person would look it up: nothing of the patient."""
    part = f", {record.part}" if record.part else ""
    word = "segmented" if record.code == SELECTED else "series"
    return f"{word} {record.modality} {record.series_instance_uid}{part}, {record.slices} slices"
