"""The results of one series beside its DICOM files, and its record with all of them."""

from __future__ import annotations

from dataclasses import replace

from app.run.report import SeriesRecord
from app.run.series_job import KEY_OBJECTS, PICTURES, STAND_INS, TURNTABLE, Graph, Job
from app.run.stage_clock import StageClock
from app.settings import SOFTWARE_VERSION
from operators.segmentation.segmentation import Segmentation

FILES = "files"
FOLDERS = (FILES, PICTURES, TURNTABLE)


def finished(record: SeriesRecord, job: Job, clock: StageClock, graph: Graph) -> SeriesRecord:
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
        done = replace(done, files=exported(segmentation, job, clock))
    if job.page:
        with attempts.attempt("page", job.output / job.file("report", ".html")):
            done = replace(done, page=written_page(done, job, clock))
    return replace(done, missing=tuple(attempts.missing))


def written_page(record: SeriesRecord, job: Job, clock: StageClock) -> str:
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
    names |= {kind: job.file(STAND_INS[kind], ".dcm") for kind in job.stand_ins}
    return tuple((kind, name) for kind, name in names.items() if (job.output / name).is_file())


def exported(segmentation: Segmentation, job: Job, clock: StageClock) -> tuple[str, ...]:
    """The files for people, in a folder of their own; their names in the output folder."""
    formats = [each for each in job.settings.files if each not in STAND_INS]
    if not formats:
        return ()
    from app.files.export_files import parts_of, write_files

    folder = job.file(FILES, "")
    with clock.measured("files"):
        parts = parts_of(segmentation)
        names = write_files(segmentation.label_map, parts, formats, job.output / folder)
    return tuple(f"{folder}/{name}" for name in names)
