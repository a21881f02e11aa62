"""Removes old studies that were delivered, refused or cancelled; undelivered results are kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from dbos import DBOSClient

from app.node.queue.database import REPORT
from app.node.queue.jobs.job_list import list_jobs, require_job
from app.node.queue.jobs.job_state import ENDS, JobState
from app.node.queue.workflow import NOTICE
from app.node.send.message_events import put_ended
from app.node.send.notices import announce_failed, job_of
from app.node.settings.configuration import NodeSettings
from app.node.studies.removal import Removal, guarded, recover, remove_study
from app.node.watch.audit import AuditTrail, audit_trail
from operators.errors import UsageError

REMOVABLE = frozenset(("delivered", "refused", "cancelled", "superseded", "accepted", "dismissed"))


def sweep(settings: NodeSettings, client: DBOSClient, now_ms: float) -> int:
    """Removes old studies and returns their number. `now_ms` is the time of day, as in the database."""
    trail = audit_trail(settings, lambda: datetime.fromtimestamp(now_ms / 1000, UTC))
    recover(settings.data, client, trail)
    jobs = list_jobs(client)
    announce_failed(settings, client, jobs)
    put_ended(settings, jobs, now_ms)
    studies: dict[str, list[JobState]] = {}
    for job in jobs:
        studies.setdefault(job.study_instance_uid, []).append(job)
    oldest_ms = now_ms - settings.retention_s * 1000
    forget_ended(client, jobs, oldest_ms)
    done = [study for study, each in studies.items() if is_done(each, oldest_ms)]
    return sum(swept(settings, client, studies[study], trail) for study in done)


def swept(settings: NodeSettings, client: DBOSClient, jobs: Sequence[JobState], trail: AuditTrail) -> bool:
    """Removes one study; after a file system error the next sweep tries again."""
    with guarded(jobs[-1].study_instance_uid):
        return remove(settings, client, jobs, trail=trail)
    return False


def is_done(jobs: Sequence[JobState], oldest_ms: float) -> bool:
    """Returns whether all jobs of a study have a removable state and ended before `oldest_ms`."""
    return all(job.state in REMOVABLE and job.completed_ms < oldest_ms for job in jobs)


def forget(
    settings: NodeSettings, client: DBOSClient, job_id: str, trail: AuditTrail | None = None, who: str = ""
) -> None:
    """Removes the whole study of a job at once. Raises UsageError if it has not ended."""
    study = require_job(client, job_id).study_instance_uid
    jobs = [job for job in list_jobs(client) if job.study_instance_uid == study]
    for job in jobs:
        if job.state not in ENDS and job.state != "conflict":
            text = f"expected a study whose jobs have ended, {job.job_id} has not; cancel it first"
            raise UsageError(text)
    if not remove(settings, client, jobs, contested_too=True, trail=trail, who=who):
        raise UsageError("expected a complete study, more instances without a job were received")


def remove(
    settings: NodeSettings,
    client: DBOSClient,
    jobs: Sequence[JobState],
    contested_too: bool = False,
    trail: AuditTrail | None = None,
    who: str = "",
) -> bool:
    """Removes a study and its results; returns False if it has instances without a job."""
    deliveries = tuple((job.job_id, name) for job in jobs for name, _ in job.deliveries)
    removal = Removal(jobs[-1].study_instance_uid, tuple(job.job_id for job in jobs), deliveries, who=who)
    trail = trail or audit_trail(settings, lambda: datetime.now(UTC))
    return remove_study(settings.data, client, removal, trail, contested_too)


def forget_ended(client: DBOSClient, jobs: Sequence[JobState], oldest_ms: float) -> None:
    """Deletes storage commitment reports and notices that ended before `oldest_ms`.

    A job's notices are kept as long as the job, as their rows show that they were sent.
    """
    kept = {job.job_id for job in jobs}
    ends = ["SUCCESS", "ERROR"]
    rows = client.list_workflows(name=[REPORT, NOTICE], status=ends, load_input=False, load_output=False)
    old = [row.workflow_id for row in rows if (row.completed_at or 0) < oldest_ms]
    client.delete_workflows([row_id for row_id in old if job_of(row_id) not in kept])
