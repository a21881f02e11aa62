"""All jobs in memory, for a page that lists, counts and searches them many times a minute.

Only rows that changed since the last look are read again, so that a look at 10,000 jobs costs as much as
reading their times.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping

from dbos import DBOSClient

from app.node.queue.jobs.job_list import list_jobs
from app.node.queue.jobs.job_state import JobState, study_of

# A list may be this old; while a page is open, its stream of events looks more often
FRESH_S = 3.0
# SQLite counts changes in seconds: a row that changed just now may change again with the same time
SETTLED_MS = 2000
# Jobs that are read in one query; SQLite limits the depth of its conditions
AT_ONCE = 100

Stamps = Mapping[str, tuple[int, str]]


class JobIndex:
    """The jobs and conflicts of a node, oldest first; `stamps` returns the time of each row's last change."""

    def __init__(
        self,
        client: DBOSClient,
        stamps: Callable[[], Stamps],
        now_s: Callable[[], float] = time.monotonic,
        time_of_day_s: Callable[[], float] = time.time,
    ) -> None:
        self.client, self.read_stamps = client, stamps
        self.now_s, self.time_of_day_s = now_s, time_of_day_s
        self.lock = threading.Lock()
        self.seen: Stamps = {}
        self.known: dict[str, JobState] = {}
        self.jobs: tuple[JobState, ...] = ()
        self.under_way: set[str] = set()
        self.version, self.looked_s = 0, -FRESH_S

    def fresh(self, within_s: float = FRESH_S) -> tuple[JobState, ...]:
        """Returns the jobs as they were within this time; those of the last look while another thread looks.

        Raises SQLAlchemyError.
        """
        if self.now_s() - self.looked_s >= within_s and self.lock.acquire(blocking=not self.version):
            try:
                self._look()
            finally:
                self.lock.release()
        return self.jobs

    def look(self) -> tuple[JobState, ...]:
        """Returns the jobs as they are now, after this process has changed one. Raises SQLAlchemyError."""
        # A look of another thread may have begun before the change
        with self.lock:
            self._look()
        return self.jobs

    def with_fingerprint(self, fingerprint: str) -> JobState | None:
        """Returns the job or conflict whose id ends with this fingerprint; None if there is none."""
        ending = f"-{fingerprint}"
        return next((job for job in reversed(self.fresh()) if job.job_id.endswith(ending)), None)

    def _look(self) -> None:
        looked_s, settled_ms = self.now_s(), self.time_of_day_s() * 1000 - SETTLED_MS
        now = self.read_stamps()
        changed = {job_of(row) for row in now if self.seen.get(row) != now[row]}
        # A job that goes right after it changed is not among the settled ones that `seen` keeps
        changed |= ({job_of(row) for row in self.seen} | self.known.keys()) - {job_of(row) for row in now}
        if changed or self.under_way or not self.version:
            self._update(changed, now)
        self.seen = {row: stamp for row, stamp in now.items() if stamp[0] < settled_ms}
        self.looked_s = looked_s

    def _update(self, changed: set[str], now: Stamps) -> None:
        """Reads the changed jobs, all of their studies, and those whose attempts go on."""
        kept = {job_of(row) for row in now}
        studies = {study_of(job_id) for job_id in changed}
        beside = {job_id for job_id in kept if study_of(job_id) in studies} if studies else set()
        stale = changed | beside | self.under_way
        unchanged, before = kept - stale, self.known
        self.known = {job_id: job for job_id, job in before.items() if job_id in unchanged}
        self.known |= {job.job_id: job for job in self._read(stale & kept, len(kept))}
        if self.known != before or not self.version:
            self.jobs = tuple(sorted(self.known.values(), key=lambda job: (job.created_ms, job.job_id)))
            self.under_way = {job.job_id for job in self.jobs if is_under_way(job)}
            self.version += 1

    def _read(self, job_ids: set[str], total: int) -> Iterable[JobState]:
        if len(job_ids) * 2 > total:
            yield from list_jobs(self.client, detailed=True)
            return
        ordered = sorted(job_ids)
        for at in range(0, len(ordered), AT_ONCE):
            yield from list_jobs(self.client, ordered[at : at + AT_ONCE], detailed=True)


def job_of(row: str) -> str:
    """Returns the job of a row's id, which may be that of a delivery."""
    return row.partition(">")[0]


def is_under_way(job: JobState) -> bool:
    """Returns whether a step of the job runs or is postponed, which changes no row of the job."""
    return job.state == "running" or any(each.state in ("sending", "postponed") for each in job.destinations)
