"""The results of one series beside its DICOM files, and its record with all of them."""

from __future__ import annotations

from dataclasses import replace

from app.run.report import SeriesRecord
from app.run.series_job import FALLBACK_FILES, KEY_OBJECTS, PICTURES, TURNTABLE, Graph, Job
from app.run.stage_clock import StageClock
from app.settings import SOFTWARE_VERSION
from operators.segmentation.segmentation import Segmentation

FILES = "files"
FOLDERS = (FILES, PICTURES, TURNTABLE)


def segment_and_write(record: SeriesRecord, job: Job, clock: StageClock, graph: Graph) -> SeriesRecord:
    """The record of a series with everything that was made of it."""
    segmentation, attempts = graph(job, clock), job.attempts
    done = replace(
        record,
        segmentation=segmentation,
        result=job.file("segmentation", ".dcm"),
        measurements=None if attempts.has_failed("sr") else job.file("measurements", ".dcm"),
        pictures=captures(job, PICTURES),
        turntable=captures(job, TURNTABLE),
        others=others(job),
    )
    with attempts.attempt("files"):
        done = replace(done, files=export_surfaces(segmentation, job, clock))
    if job.page:
        with attempts.attempt("page", job.output / job.file("report", ".html")):
            done = replace(done, page=write_page_file(done, job, clock))
    return replace(done, missing=tuple(attempts.missing))


def write_page_file(record: SeriesRecord, job: Job, clock: StageClock) -> str:
    """The HTML report, of what was written before it; its name in the output folder."""
    from app.run.html.writer import write_page

    name, preview = job.file("report", ".html"), job.file("preview", ".png")
    with clock.measured("page"):
        files = [job.output / file for file in (preview, *record.pictures)]
        there = [file for file in files if file.is_file()]
        write_page(record, job.output / name, there, job.made_at, SOFTWARE_VERSION)
    return name


def captures(job: Job, name: str) -> tuple[str, ...]:
    """The secondary captures of a kind that the graph has written; their names in the output folder."""
    folder = job.output / job.file(name, "")
    return tuple(f"{folder.name}/{path.name}" for path in sorted(folder.glob("*.dcm")))


def others(job: Job) -> tuple[tuple[str, str], ...]:
    """Returns the other files that the graph has written: kinds and names in the output folder."""
    names = {"kos": job.file(KEY_OBJECTS, ".dcm")}
    names |= {kind: job.file(FALLBACK_FILES[kind], ".dcm") for kind in job.fallbacks}
    return tuple((kind, name) for kind, name in names.items() if (job.output / name).is_file())


def export_surfaces(segmentation: Segmentation, job: Job, clock: StageClock) -> tuple[str, ...]:
    """The files for people, in a folder of their own; their names in the output folder."""
    formats = [each for each in job.settings.files if each not in FALLBACK_FILES]
    if not formats:
        return ()
    from app.files.export_files import parts_of, write_files

    folder = job.file(FILES, "")
    with clock.measured("files"):
        parts = parts_of(segmentation)
        names = write_files(segmentation.label_map, parts, formats, job.output / folder)
    return tuple(f"{folder}/{name}" for name in names)
