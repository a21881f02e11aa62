"""The edge of a job: whatever goes wrong over one series or image ends in its record, named."""

from __future__ import annotations

from dataclasses import replace

import structlog

from app.library_messages import defect_values
from app.run.report import SeriesRecord
from operators.errors import DEFECT, as_osteon_error

log = structlog.get_logger()

EXIT_DEFECT = 1


def record_of_failure(
    record: SeriesRecord, error: Exception, event: str, **where: str
) -> tuple[SeriesRecord, int]:
    """The record with the error's code and sentence, and the exit code.

    A defect is logged as `event` with its traceback and `where` it happened.
    """
    known = as_osteon_error(error)
    if known is not None:
        return replace(record, code=known.code, sentence=str(known)), known.exit_code
    log.error(event, **where, **defect_values(error))
    return replace(record, code="defect", sentence=DEFECT), EXIT_DEFECT
