"""Short names of jobs for typing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from operators.errors import UsageError

SHORTEST = 6
# Maximum number of matching jobs in a message
SHOWN = 5


def short_ids(job_ids: Iterable[str]) -> dict[str, str]:
    """Returns for each job the beginning of its fingerprint, long enough to be unique."""
    ids = list(dict.fromkeys(job_ids))
    length = SHORTEST
    while len({fingerprint(job_id)[:length] for job_id in ids}) < len(ids) and length < 64:
        length += 1
    return {job_id: fingerprint(job_id)[:length] for job_id in ids}


def fingerprint(job_id: str) -> str:
    """Returns the part of a job id after the study's UID."""
    return job_id.rpartition("-")[2]


def named_job(text: str, job_ids: Sequence[str]) -> str:
    """Returns the job with that id, or the only one that matches it: see `fitting`.

    Raises UsageError if no job matches, or several do.
    """
    fits = fitting(text, job_ids)
    if not fits:
        raise UsageError(f"expected the id of a job, got {text!r}; `osteon jobs list` shows them")
    if len(fits) > 1:
        short = short_ids(job_ids)
        known = ", ".join(f"{short[job_id]} ({job_id})" for job_id in fits[:SHOWN])
        more = f" and {len(fits) - SHOWN} more" if len(fits) > SHOWN else ""
        raise UsageError(f"expected the id of one job, {text!r} matches {len(fits)}: {known}{more}")
    return fits[0]


def fitting(text: str, job_ids: Sequence[str]) -> list[str]:
    """Returns the jobs that match by the whole id, else by the short id of lists, else by either end."""
    if not text:
        return []
    kinds = (
        [job_id for job_id in job_ids if job_id == text],
        [job_id for job_id in job_ids if fingerprint(job_id).startswith(text)],
        [job_id for job_id in job_ids if job_id.startswith(text) or job_id.endswith(text)],
    )
    return next((found for found in kinds if found), [])
