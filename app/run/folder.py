"""Runs the graph over every suitable series of a folder and says what became of each."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import structlog

from app.packages_in_use import packages_in_use
from app.run.inputs import opened_input
from app.run.output_folder import REPORT, prepare_output, remove_former
from app.run.report import SeriesRecord, StageRecord, report, write_report
from app.run.results import FALLBACKS, FILES, PAGE, TURNTABLE
from app.run.series_job import Graph, Job, graph_of, networks_of
from app.run.series_records import (
    EXIT_DEFECT,
    log_missing,
    record_of,
    record_of_failure,
    record_of_passed_over,
    record_of_refusal,
)
from app.run.series_results import segment_and_write
from app.run.stage_clock import Show, StageClock
from app.settings import SOFTWARE_VERSION, Settings
from operators.dicom.provenance.conforming import conforming_header, sentences
from operators.dicom.read.scan import UnreadableFile, require_series, scan
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
from operators.errors import (
    ModelError,
    OutputError,
    UnreadableError,
    UnsuitableError,
    UsageError,
)
from operators.package_files.package_reader import refuse_draft
from operators.packages.joint import parts_of
from operators.packages.packages import ModelPackage

log = structlog.get_logger()

EXIT_DONE, EXIT_UNSUITABLE = 0, 3
LIBRARIES = ("monai-deploy-app-sdk", "torch", "openvino", "highdicom", "pydicom")


@dataclass(frozen=True)
class RunOutcome:
    """Every series' record, the exit code, where the results are, and files that belong to no series."""

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
    """Segments what can be segmented in `folder`; results and report.json go to `output`.

    Raises OsteonError where nothing at all can be done: no input, no models, nowhere to write.
    """
    require_input(folder)
    with opened_input(folder) as found:
        return run_unpacked(found, output, settings, package_name, made_at, show, graph)


def run_unpacked(
    folder: Path,
    output: Path,
    settings: Settings,
    package_name: str | None,
    made_at: datetime,
    show: Show,
    graph: Graph | None,
) -> RunOutcome:
    """Runs over a folder, or a file that is not an archive; see `run_folder`."""
    if package_name is not None:
        refuse_draft(settings.models, package_name)
    packages = packages_in_use(settings, package_name)
    graph = graph or graph_of(settings)
    prepare_output(output)
    remove_former(output)
    clock = StageClock(show)
    with clock.measured("scan"):
        found = scan(folder)
    images = [] if found.series else other_images(folder)
    if images:
        records, code = run_images(images, output, settings, packages, made_at, show)
    elif found.series:
        outcomes = select(found, packages, package_name)
        records, code = run_series(outcomes, output, settings, made_at, show, graph)
    else:
        records, code = [], UnreadableError.exit_code
    outcome = RunOutcome(tuple(records), code, output, found.unreadable)
    write_summary(outcome, made_at, clock.records)
    if not records:
        require_series(found)
    return outcome


def other_images(folder: Path) -> list[Path]:
    """The images in other formats than DICOM; what reads them takes 0.7 s to import."""
    from app.run.file_run import image_files

    return image_files(folder)


def run_images(
    images: Sequence[Path],
    output: Path,
    settings: Settings,
    packages: Sequence[ModelPackage],
    made_at: datetime,
    show: Show,
) -> tuple[list[SeriesRecord], int]:
    """The record of each image that is not DICOM, and the exit code; several have a folder each."""
    from app.run.file_run import run_file

    networks = networks_of(settings)
    places = ["" if len(images) == 1 else f"image-{n}/" for n in range(1, len(images) + 1)]
    done = [
        run_file(image, output, place, settings, packages, networks, made_at, show, name)
        for image, place, name in zip(images, places, names_below(images), strict=True)
    ]
    codes = [code for _, code in done]
    codes += (OutputError.exit_code for record, _ in done if record.missing)
    return [record for record, _ in done], exit_code(codes)


def names_below(images: Sequence[Path]) -> list[str]:
    """The names of files as seen from the folder that holds all of them."""
    common = Path(os.path.commonpath([image.parent for image in images]))
    return [image.relative_to(common).as_posix() for image in images]


def run_series(
    outcomes: Sequence[Outcome],
    output: Path,
    settings: Settings,
    made_at: datetime,
    show: Show,
    graph: Graph,
) -> tuple[list[SeriesRecord], int]:
    """The record of each series, first of those that were refused, and the exit code."""
    wanted = (PAGE, TURNTABLE, FILES, *(each for each in settings.files if each in FALLBACKS))
    chosen, codes = candidates(outcomes), list[int]()
    folders = result_folders(chosen)

    def segment(number: int, selection: Selection) -> tuple[SeriesRecord, int]:
        place = folders[number]
        job = Job(number, selection, output, settings, made_at, wanted=wanted, folder=place)
        record, code = run_job(job, show, graph)
        codes.append(code)
        return record, code

    records = [*refused_outright(outcomes), *read_all(chosen, segment)]
    codes += (OutputError.exit_code for record in records if record.missing)
    return records, exit_code(codes)


def result_folders(chosen: Sequence[Candidate]) -> list[str]:
    """The folder below the output of each candidate's results, by study and series.

    '' for all where one series is read, but for rivals, which are read where a better one shows nothing.
    """
    first = {id(each.selection.series) for each in chosen if not each.better}
    if len(first) < 2:
        return [""] * len(chosen)
    studies: dict[str, list[int]] = {}
    for each in chosen:
        of_study = studies.setdefault(each.selection.series.study_instance_uid, [])
        if id(each.selection.series) not in of_study:
            of_study.append(id(each.selection.series))
    folders = []
    for each in chosen:
        uid = each.selection.series.study_instance_uid
        study = f"study-{list(studies).index(uid) + 1}/" if len(studies) > 1 else ""
        folders.append(f"{study}series-{studies[uid].index(id(each.selection.series)) + 1}/")
    return folders


def refused_outright(outcomes: Sequence[Outcome]) -> list[SeriesRecord]:
    """The records of series that are no candidates."""
    refusals = (each for each in outcomes if isinstance(each, Refusal) and not isinstance(each, Reserve))
    return [record_of_refusal(refusal) for refusal in refusals]


def read_all(
    chosen: Sequence[Candidate], segment: Callable[[int, Selection], tuple[SeriesRecord, int]]
) -> list[SeriesRecord]:
    """The record of each series that was read, then of those that a better one made needless."""
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
    """For each candidate of one series whether it makes those behind it needless.

    One that can never be segmented, for it shows no such anatomy or its pixels are damaged, does not.
    """
    if record.segmentation is None:
        return [code not in (UnsuitableError.exit_code, UnreadableError.exit_code)] * len(candidates)
    found = parts_of(record.segmentation.package)
    return [len(candidates) == 1 or each.selection.package in found for each in candidates]


def require_input(folder: Path) -> None:
    """Raises UsageError where there is nothing at that path."""
    if not folder.exists():
        raise UsageError(f"expected an input folder or file, {folder} does not exist")


def run_job(job: Job, show: Show, graph: Graph) -> tuple[SeriesRecord, int]:
    """One series through the graph. This is the edge of a job: whatever goes wrong ends here, named."""
    clock = StageClock(show)
    record = record_of(job.selection)
    notes = sentences(conforming_header(job.selection.series.header).notes)
    record = replace(record, warnings=(*record.warnings, *notes))
    try:
        done = replace(segment_and_write(record, job, clock, graph), stages=tuple(clock.records))
        log_missing(done, job)
        return done, EXIT_DONE
    except Exception as error:
        record = replace(record, stages=tuple(clock.records))
        uid = record.series_instance_uid
        return record_of_failure(record, error, "series_failed", series_instance_uid=uid)


def exit_code(codes: list[int]) -> int:
    """One code for all series: a defect, an output or a model that failed first; then done if any was."""
    for grave in (EXIT_DEFECT, OutputError.exit_code, ModelError.exit_code):
        if grave in codes:
            return grave
    if EXIT_DONE in codes:
        return EXIT_DONE
    return UnreadableError.exit_code if UnreadableError.exit_code in codes else EXIT_UNSUITABLE


def write_summary(outcome: RunOutcome, made_at: datetime, stages: list[StageRecord]) -> None:
    """report.json."""
    versions = {"osteon": SOFTWARE_VERSION, "python": platform.python_version()}
    versions |= {name: version(name) for name in LIBRARIES}
    content = report(
        outcome.series,
        made_at=made_at,
        software_versions=versions,
        exit_code=outcome.exit_code,
        stages=stages,
        unreadable=[{"path": f.path, "code": f.code, "sentence": f.reason} for f in outcome.unreadable],
    )
    write_report(content, outcome.output / REPORT)
