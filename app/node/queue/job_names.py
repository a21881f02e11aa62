"""Names of jobs that a person can type."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from operators.errors import UsageError

SHORTEST = 6
# So many of several that fit are told
SHOWN = 5


def short_ids(job_ids: Iterable[str]) -> dict[str, str]:
    """For each job the beginning of its fingerprint, as long as it has to be to name it alone."""
    ids = list(dict.fromkeys(job_ids))
    length = SHORTEST
    while len({fingerprint(job_id)[:length] for job_id in ids}) < len(ids) and length < 64:
        length += 1
    return {job_id: fingerprint(job_id)[:length] for job_id in ids}


def fingerprint(job_id: str) -> str:
    """Returns the part of a job id behind the study's UID."""
    return job_id.rpartition("-")[2]


def named_job(text: str, job_ids: Sequence[str]) -> str:
    """The job of that id, or the only one whose fingerprint, or else id, begins or ends so.

    Raises UsageError where there is none, or where several fit.
    """
    fits = fitting(text, job_ids)
    if not fits:
        raise UsageError(f"expected the id of a job, got {text!r}; `osteon jobs list` shows them")
    if len(fits) > 1:
        short = short_ids(job_ids)
        known = ", ".join(f"{short[job_id]} ({job_id})" for job_id in fits[:SHOWN])
        more = f" and {len(fits) - SHOWN} more" if len(fits) > SHOWN else ""
        raise UsageError(f"expected the id of one job, {text!r} fits {len(fits)}: {known}{more}")
    return fits[0]


def fitting(text: str, job_ids: Sequence[str]) -> list[str]:
    """The jobs of the first kind of match that there is: what a list shows as short id goes before others."""
    if not text:
        return []
    kinds = (
        [job_id for job_id in job_ids if job_id == text],
        [job_id for job_id in job_ids if fingerprint(job_id).startswith(text)],
        [job_id for job_id in job_ids if job_id.startswith(text) or job_id.endswith(text)],
    )
    return next((found for found in kinds if found), [])
