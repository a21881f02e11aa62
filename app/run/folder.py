"""Runs the graph on every suitable series of a folder and records the outcome of each."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path

import structlog

from app.packages_in_use import packages_in_use
from app.run.file_run import Run, image_files, left_beside_dicom, not_used, run_file
from app.run.inputs import opened_input
from app.run.output_folder import REPORT, prepare_output, remove_former, result_folders
from app.run.record import SeriesRecord, StageRecord
from app.run.report import report, write_report
from app.run.results import FALLBACKS, FILES, PAGE, PDF, SUMMARY, TEXT, TURNTABLE
from app.run.series_job import Graph, Job, graph_of, networks_of
from app.run.series_records import EXIT_DEFECT, record_of_passed_over, record_of_refusal
from app.run.series_results import EXIT_DONE, run_job
from app.run.stage_clock import Show, StageClock
from app.settings import SOFTWARE_VERSION, Settings
from operators.dicom.read.scan import OtherFile, UnreadableFile, require_series, scan
from operators.dicom.select.reading_order import read_in_turn
from operators.dicom.select.selection import (
    Candidate,
    Outcome,
    Refusal,
    Reserve,
    Selection,
    candidates,
    combine_candidates,
    select,
)
from operators.errors import ModelError, OutputError, UnreadableError, UnsuitableError, UsageError
from operators.package_files.package_reader import refuse_draft
from operators.packages.joint import parts_of

log = structlog.get_logger()
LIBRARIES = ("monai-deploy-app-sdk", "torch", "openvino", "highdicom", "pydicom")


@dataclass(frozen=True)
class RunOutcome:
    """The record of every series, the exit code, the folder of results, and files without a series."""

    series: tuple[SeriesRecord, ...]
    exit_code: int
    output: Path
    unreadable: tuple[UnreadableFile, ...] = ()


def run_folder(
    folder: Path,
    output: Path,
    settings: Settings,
    package_name: str | None,
    made_at: datetime,
    show: Show,
    graph: Graph | None = None,
) -> RunOutcome:
    """Segments every suitable image in `folder`; results and report.json go to `output`.

    Raises OsteonError if nothing can be done: no input, no models, no writable output.
    """
    require_input(folder)
    with opened_input(folder) as found:
        if package_name is not None:
            refuse_draft(settings.models, package_name)
        run = Run(output, settings, packages_in_use(settings, package_name), made_at, show)
        return run_unpacked(found, run, package_name, graph or graph_of(settings))


def run_unpacked(folder: Path, run: Run, package_name: str | None, graph: Graph) -> RunOutcome:
    """Runs a folder, or a file that is not an archive; see `run_folder`."""
    prepare_output(run.output)
    remove_former(run.output)
    clock = StageClock(run.show)
    with clock.measured("scan"):
        found = scan(folder)
    images = image_files(found)
    if found.series:
        records, code = run_series(select(found, run.packages, package_name), run, graph)
    elif images:
        records, code = run_images(images, run)
    else:
        records, code = [], UnreadableError.exit_code
    unread = (*found.unreadable, *(left_beside_dicom(images) if found.series else not_used(found, images)))
    outcome = RunOutcome(tuple(records), code, run.output, unread)
    write_summary(outcome, run.made_at, clock.records)
    if not records:
        require_series(found)
    return outcome


def run_images(images: Sequence[OtherFile], run: Run) -> tuple[list[SeriesRecord], int]:
    """Runs the images that are not DICOM, several in a folder each; returns records and exit code."""
    networks = networks_of(run.settings)
    places = ["" if len(images) == 1 else f"image-{n}/" for n in range(1, len(images) + 1)]
    done = [run_file(file, run, place, networks) for file, place in zip(images, places, strict=True)]
    records = [record for record, _ in done]
    return records, exit_code([*(code for _, code in done), *codes_of_missing(records)])


def run_series(outcomes: Sequence[Outcome], run: Run, graph: Graph) -> tuple[list[SeriesRecord], int]:
    """Runs the series; returns a record of each, refused ones first, and the exit code."""
    fallbacks = (each for each in run.settings.files if each in FALLBACKS)
    wanted = (PAGE, SUMMARY, PDF, TEXT, TURNTABLE, FILES, *fallbacks)
    chosen, codes = candidates(outcomes), list[int]()
    folders = result_folders(chosen)

    def segment(number: int, selection: Selection) -> tuple[SeriesRecord, int]:
        place = folders[number]
        job = Job(number, selection, run.output, run.settings, run.made_at, wanted=wanted, folder=place)
        record, code = run_job(job, run.show, graph)
        codes.append(code)
        return record, code

    records = [*refused_outright(outcomes), *read_all(chosen, segment)]
    return records, exit_code([*codes, *codes_of_missing(records)])


def codes_of_missing(records: Iterable[SeriesRecord]) -> list[int]:
    """Returns an exit code for each result that failed."""
    return [OutputError.exit_code for record in records for each in record.missing if each.has_failed]


def refused_outright(outcomes: Sequence[Outcome]) -> list[SeriesRecord]:
    """Returns the records of series that are not candidates."""
    refusals = (each for each in outcomes if isinstance(each, Refusal) and not isinstance(each, Reserve))
    return [record_of_refusal(refusal) for refusal in refusals]


def read_all(
    chosen: Sequence[Candidate], segment: Callable[[int, Selection], tuple[SeriesRecord, int]]
) -> list[SeriesRecord]:
    """Returns the record of each series that was read, then of those passed over for a better one."""
    records: list[SeriesRecord] = []

    def read(group: list[int]) -> dict[int, bool]:
        record, code = segment(group[0], combine_candidates([chosen[each] for each in group]))
        records.append(record)
        segmented = segmented_for([chosen[each] for each in group], record, code)
        return dict(zip(group, segmented, strict=True))

    series = [id(each.selection.series) for each in chosen]
    needless = read_in_turn(series, [each.better for each in chosen], read)
    return records + [record_of_passed_over(chosen[each], chosen[best]) for each, best in needless.items()]


def segmented_for(candidates: Sequence[Candidate], record: SeriesRecord, code: int) -> list[bool]:
    """Returns whether each candidate was segmented, so that its rivals are passed over.

    A candidate that can never be segmented, as its anatomy is absent or its pixels are damaged, was not.
    """
    if record.segmentation is None:
        return [code not in (UnsuitableError.exit_code, UnreadableError.exit_code)] * len(candidates)
    found = parts_of(record.segmentation.package)
    return [len(candidates) == 1 or each.selection.package in found for each in candidates]


def require_input(folder: Path) -> None:
    """Raises UsageError if the path does not exist."""
    if not folder.exists():
        raise UsageError(f"expected an input folder or file, {folder} does not exist")


def exit_code(codes: list[int]) -> int:
    """Returns the exit code of a run: a defect's, an output's or a model's, else 0 if any series is done."""
    for grave in (EXIT_DEFECT, OutputError.exit_code, ModelError.exit_code):
        if grave in codes:
            return grave
    if EXIT_DONE in codes:
        return EXIT_DONE
    return UnreadableError.exit_code if UnreadableError.exit_code in codes else UnsuitableError.exit_code


def write_summary(
    outcome: RunOutcome, made_at: datetime, stages: list[StageRecord], name: str = REPORT
) -> None:
    """Writes report.json, or a report of another name. Raises OutputError."""
    content = report(
        outcome.series,
        made_at=made_at,
        software_versions=software_versions(),
        exit_code=outcome.exit_code,
        stages=stages,
        unreadable=outcome.unreadable,
    )
    write_report(content, outcome.output / name)


@cache
def software_versions() -> dict[str, str]:
    """Returns the versions of the program, Python and LIBRARIES; reading them takes the processor 10 ms."""
    libraries = {name: version(name) for name in LIBRARIES}
    return {"osteon": SOFTWARE_VERSION, "python": platform.python_version(), **libraries}
