"""Makes the results of one series that the graph does not, and its record with all of them."""

from __future__ import annotations

from dataclasses import replace

from app.run.record import SeriesRecord
from app.run.results import FALLBACKS, FILES, PAGE, PICTURES, PREVIEW, REPORT, SEG, SR, names_of
from app.run.series_job import Graph, Job
from app.run.series_records import log_missing, record_of, record_of_failure
from app.run.stage_clock import Show, StageClock
from app.settings import SOFTWARE_VERSION
from operators.dicom.provenance.conforming import conforming_header, sentences
from operators.segmentation.segmentation import Segmentation

EXIT_DONE = 0


def segment_and_write(record: SeriesRecord, job: Job, clock: StageClock, graph: Graph) -> SeriesRecord:
    """Segments a series and writes its results; returns its record."""
    segmentation, attempts = graph(job, clock), job.attempts
    # The graph raises if it cannot write a SEG; for a radiograph without findings there is none
    seg = {SEG: (job.name(SEG),)} if segmentation.segments else {}
    names = seg | names_of(job.kinds, job.output, job.name)
    done = replace(record, segmentation=segmentation, names=names)
    with attempts.attempt(FILES):
        export_surfaces(segmentation, job, clock)
    for kind, write in ((PAGE, write_page_file), (REPORT, write_report_file)):
        if kind in job.kinds:
            with attempts.attempt(kind, job.path(kind)):
                write(done, job, clock)
    names = done.names | names_of(job.kinds, job.output, job.name)
    if attempts.has_failed(SR):
        names.pop(SR, None)
    return replace(done, names=names, missing=tuple(attempts.missing))


def write_page_file(record: SeriesRecord, job: Job, clock: StageClock) -> None:
    """Writes the HTML report from the other results."""
    from app.run.html.writer import write_page

    with clock.measured("page"):
        pictures = [job.output / name for name in pictures_of_page(record)]
        write_page(record, job.path(PAGE), pictures, job.made_at, SOFTWARE_VERSION)


def write_report_file(record: SeriesRecord, job: Job, clock: StageClock) -> None:
    """Writes report.json of this series alone, with the number of the study's results."""
    from app.run.report import report, write_report

    with clock.measured("report"):
        versions = {"osteon": SOFTWARE_VERSION}
        content = report([record], made_at=job.made_at, software_versions=versions, exit_code=EXIT_DONE)
        write_report(content | {"revision": job.revision}, job.path(REPORT))


def pictures_of_page(record: SeriesRecord) -> tuple[str, ...]:
    """Returns the preview and the pictures; only the latter if the preview is one of them."""
    from operators.results.image_kinds import kind_of

    preview, pictures = (record.names.get(kind, ()) for kind in (PREVIEW, PICTURES))
    assert record.segmentation is not None
    return pictures if pictures and kind_of(record.segmentation).preview_among else (*preview, *pictures)


def export_surfaces(segmentation: Segmentation, job: Job, clock: StageClock) -> None:
    """Writes surfaces and label maps in their own folder."""
    formats = [each for each in job.settings.files if each not in FALLBACKS]
    if not formats:
        return
    from app.files.export_files import write_result_files

    with clock.measured("files"):
        write_result_files(segmentation, formats, job.path(FILES))


def run_job(job: Job, show: Show, graph: Graph) -> tuple[SeriesRecord, int]:
    """Runs the graph on one series. This is the edge of a job: every error ends here, with a code."""
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
