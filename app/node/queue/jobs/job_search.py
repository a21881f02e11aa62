"""Filters jobs by state, text and finding, and counts what was done in each hour."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from app.node.queue.findings import FRACTURE
from app.node.queue.jobs.job_names import fingerprint
from app.node.queue.jobs.job_state import HELD, JobState

HOUR_MS = 3_600_000
# Groups of states that a person looks for
GROUPS: dict[str, Callable[[JobState], bool]] = {
    "all": lambda _: True,
    "attention": lambda job: job.state in ("failed", "conflict") or is_postponed(job),
    "queued": lambda job: job.state == "queued",
    "running": lambda job: job.state == "running",
    "delivering": lambda job: job.state == "delivering",
    "delivered": lambda job: job.state == "delivered",
    "fracture": lambda job: job.finding == FRACTURE,
    "refused": lambda job: job.state == "refused",
    "failed": lambda job: job.state == "failed",
    "held": lambda job: job.code == HELD,
    "ended": lambda job: job.state in ("cancelled", "superseded", "accepted", "dismissed"),
}


def is_postponed(job: JobState) -> bool:
    """Returns whether an attempt of the job has failed and will be repeated."""
    return bool(job.attempts) or any(each.attempts for each in job.destinations)


def search(
    jobs: Iterable[JobState], group: str, text: str, words: Callable[[str], Sequence[str]]
) -> list[JobState]:
    """Returns the jobs of a group that match a text, in their order.

    The text is found, without regard to case, in the study's UID, the sender, the code, the sentence, the
    names of destinations and in what `words` returns for the job's id; a short id by its beginning.
    """
    is_wanted, sought = GROUPS[group], text.strip().casefold()
    wanted = [job for job in jobs if is_wanted(job)]
    return [job for job in wanted if not sought or matches(job, sought, words)]


def matches(job: JobState, sought: str, words: Callable[[str], Sequence[str]]) -> bool:
    """Returns whether a job matches a text, given in lower case."""
    if fingerprint(job.job_id).startswith(sought):
        return True
    peers = (each.peer for each in job.destinations)
    own = (job.study_instance_uid, job.calling_ae, job.code, job.sentence, *peers)
    return any(sought in each.casefold() for each in (*own, *words(job.job_id)))


@dataclass(frozen=True)
class Hour:
    """What happened in one hour, which began at `start_ms`: studies queued, and how jobs ended."""

    start_ms: int
    queued: int = 0
    delivered: int = 0
    refused: int = 0
    failed: int = 0


def hours(jobs: Sequence[JobState], now_ms: int, count: int = 24) -> Iterator[Hour]:
    """Yields the last `count` hours, the present one last."""
    first = now_ms // HOUR_MS - count + 1
    found = [dict.fromkeys(("queued", "delivered", "refused", "failed"), 0) for _ in range(count)]
    for job in jobs:
        for name, at_ms in (("queued", job.created_ms if job.revision else 0), (job.state, job.completed_ms)):
            place = at_ms // HOUR_MS - first
            if 0 <= place < count and name in found[place]:
                found[place][name] += 1
    for place, counts in enumerate(found):
        yield Hour((first + place) * HOUR_MS, **counts)
