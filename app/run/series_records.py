"""The records of a run: each series or image is selected, refused, passed over, or failed, with a reason."""

from __future__ import annotations

from dataclasses import replace

import structlog

from app.library_messages import defect_values, frames_of
from app.run.record import SELECTED, SeriesRecord
from app.run.series_job import Job
from operators.dicom.select.selection import Candidate, Refusal, Selection, passed_over
from operators.errors import DEFECT, as_osteon_error

log = structlog.get_logger()

EXIT_DEFECT = 1


def record_of_failure(
    record: SeriesRecord, error: Exception, event: str, **where: str
) -> tuple[SeriesRecord, int]:
    """Returns the record with the error's code and sentence, and the exit code.

    A defect is logged as `event` with its traceback and `where` it happened.
    """
    known = as_osteon_error(error)
    if known is not None:
        return replace(record, code=known.code, sentence=str(known)), known.exit_code
    log.error(event, **where, **defect_values(error))
    return replace(record, code="defect", sentence=DEFECT), EXIT_DEFECT


def record_of(outcome: Selection | Refusal) -> SeriesRecord:
    """Returns the record of a series that was selected and not yet processed."""
    series = outcome.series
    return SeriesRecord(
        study_instance_uid=series.study_instance_uid,
        series_instance_uid=series.series_instance_uid,
        part=series.part,
        modality=series.modality,
        slices=len(series.frames),
        code=SELECTED,
        sentence="segmented",
        warnings=tuple(series.warnings),
        other_series=series.other_series,
        is_projection=series.is_projection,
    )


def record_of_passed_over(candidate: Candidate, best: Candidate) -> SeriesRecord:
    """Returns the record of a candidate that was passed over because a better one was segmented."""
    code, sentence = passed_over(best.name)
    return replace(record_of(candidate.selection), code=code, sentence=sentence)


def record_of_refusal(refusal: Refusal) -> SeriesRecord:
    """Returns the record of a series that was not selected."""
    return replace(record_of(refusal), code=refusal.code, sentence=refusal.text)


def log_missing(record: SeriesRecord, job: Job) -> None:
    """Logs the results that could not be made, with a traceback if the reason is a defect."""
    for each, error in zip(job.attempts.missing, job.attempts.errors, strict=True):
        detail = {"traceback": frames_of(error)} if each.code == "defect" else {}
        uid = record.series_instance_uid
        write = log.error if each.has_failed else log.info
        write("result_missing", series_instance_uid=uid, kind=each.kind, code=each.code, **detail)
