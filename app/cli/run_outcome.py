"""Runs over a folder, with its progress and its outcome on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from app.printable import counted, printable_text
from app.run.folder import RunOutcome, run_folder
from app.run.record import SELECTED, SeriesRecord
from app.run.report import study_summaries
from app.run.stage_clock import Show, silent
from app.settings import read_settings
from operators.dicom.read.scan import grouped_by_reason
from operators.errors import UsageError
from operators.packages.confidence import percent
from operators.packages.seen import NOT_SEEN
from operators.segmentation.segmentation import Segmentation
from operators.segmentation.summary import answer_sentences


def run_command(package: str | None, quiet: bool, config: Path | None = None, **given: Any) -> int:
    """Runs over a folder; settings not `given` come from the environment or the configuration file."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    settings = read_settings(config, **given)
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
    """Prints the outcome of every series, and the files that belong to none."""
    for record in outcome.series:
        if record.segmentation is not None:
            show_result(record, record.segmentation, console)
            say(console, f"[bold green]{record.result}[/] in {printable_text(str(outcome.output))}")
        else:
            say(console, f"[yellow]{record.code}[/] {printable_text(f'{title(record)}: {record.sentence}')}")
        for missing in record.missing:
            say(console, f"[yellow]{missing.code}[/] {printable_text(missing)}")
        for doubt in (*record.warnings, *doubts_of(record)):
            say(console, f"  [dim]{printable_text(doubt)}[/]")
    for study in study_summaries(outcome.series, outcome.unreadable):
        if study["views"] + study["not_read"] > 1:
            say(console, f"[bold]Study:[/] {printable_text(study['sentence'])}")
    for file, name in grouped_by_reason(outcome.unreadable):
        say(console, f"[yellow]{file.code}[/] {printable_text(f'{name}: {file.reason}')}")


def show_result(record: SeriesRecord, made: Segmentation, console: Console) -> None:
    """The answer for a radiograph in words, or a table of a CT's segments."""
    if made.answer is None:
        console.print(segments_table(record))
        return
    say(console, printable_text(title(record)))
    for sentence in answer_sentences(made.answer):
        say(console, f"  {printable_text(sentence)}")


def doubts_of(record: SeriesRecord) -> tuple[str, ...]:
    """Returns what may be wrong with a result, and what was left out of it."""
    made = record.segmentation
    if made is None:
        return ()
    absent = ", ".join(each.package for each in made.outcomes if each.state == NOT_SEEN)
    return (
        *(flag.sentence for flag in made.flags),
        *made.warnings,
        *([f"not seen: {absent}"] if absent else []),
    )


def say(console: Console, markup: str) -> None:
    """One line, however long; what came from a file is escaped by the caller."""
    console.print(markup, highlight=False, soft_wrap=True)


def segments_table(record: SeriesRecord) -> Table:
    """Returns the segments of one series."""
    table = Table(title=printable_text(title(record)), title_justify="left")
    for heading in ("segment", "volume", "confidence"):
        table.add_column(heading, justify="left" if heading == "segment" else "right")
    segmentation = record.segmentation
    for segment in segmentation.segments if segmentation else ():
        colour = "#{:02x}{:02x}{:02x}".format(*segment.rgb)
        name = f"[{colour}]■[/] {printable_text(segment.label)}"
        table.add_row(name, f"{segment.volume_ml:.1f} ml", percent(segment.confidence))
    return table


def title(record: SeriesRecord) -> str:
    """Returns a series as a person would look it up: nothing of the patient."""
    part = f", {record.part}" if record.part else ""
    word = "segmented" if record.code == SELECTED else "series"
    name = " ".join(filter(None, (word, record.modality, record.series_instance_uid)))
    return f"{name}{part}, {counted(record.slices, 'slice')}"
