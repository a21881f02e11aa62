"""Removes what is done and old. What was not delivered, unless it was refused or cancelled, stays."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

import structlog
from dbos import DBOSClient

from app.node.commitment import transaction_of
from app.node.configuration import NodeSettings
from app.node.database import REPORT
from app.node.job import job_folder
from app.node.jobs import ENDS, JobState, list_jobs, require_job
from app.node.study_folder import content_of
from app.node.transactions import forget_transaction
from operators.errors import UsageError

log = structlog.get_logger()

REMOVABLE = frozenset(("delivered", "refused", "cancelled", "superseded"))


def sweep(settings: NodeSettings, client: DBOSClient, now_ms: float) -> int:
    """Says how many studies were removed. `now_ms` is of the clock that the database's times are of."""
    studies: dict[str, list[JobState]] = {}
    for job in list_jobs(client):
        studies.setdefault(job.study_instance_uid, []).append(job)
    oldest_ms = now_ms - settings.retention_s * 1000
    forget_reports(client, oldest_ms)
    return sum(remove(settings, client, jobs) for jobs in studies.values() if is_done(jobs, oldest_ms))


def is_done(jobs: list[JobState], oldest_ms: float) -> bool:
    """Whether all that was ever made of a study has ended well, long ago."""
    return all(job.state in REMOVABLE and job.completed_ms < oldest_ms for job in jobs)


def forget(settings: NodeSettings, client: DBOSClient, job_id: str) -> None:
    """Removes the whole study of a job at once. Raises UsageError where it has not come to its end."""
    study = require_job(client, job_id).study_instance_uid
    jobs = [job for job in list_jobs(client) if job.study_instance_uid == study]
    for job in jobs:
        if job.state not in ENDS:
            text = f"expected a study that has come to its end, {job.job_id} has not; cancel it first"
            raise UsageError(text)
    if not remove(settings, client, jobs):
        raise UsageError("expected a study that is complete, more of it came that has no job yet")
    shutil.rmtree(settings.data / "conflicts" / study, ignore_errors=True)


def remove(settings: NodeSettings, client: DBOSClient, jobs: list[JobState]) -> bool:
    """One study: its instances, its results, its jobs; not where more of it came that has no job yet."""
    study = jobs[-1].study_instance_uid
    folder, trash = settings.data / "inbox" / study, settings.data / "trash" / study
    shutil.rmtree(trash, ignore_errors=True)
    trash.parent.mkdir(exist_ok=True)
    with suppress(FileNotFoundError):
        folder.rename(trash)
    came = set(content_of(trash).names) if trash.exists() else set()
    if not came <= known(job_folder(settings.data, jobs[-1].job_id).input):
        put_back(trash, folder)
        return False
    ids = [job.job_id for job in jobs]
    client.delete_workflows([*ids, *(f"{job.job_id}>{name}" for job in jobs for name, _ in job.deliveries)])
    for job_id, name in ((job.job_id, name) for job in jobs for name, _ in job.deliveries):
        forget_transaction(settings.data, transaction_of({"job_id": job_id, "peer": name}))
    for path in (trash, *(job_folder(settings.data, job_id).root for job_id in ids)):
        shutil.rmtree(path, ignore_errors=True)
    log.info("study_removed", study_instance_uid=study)
    return True


def forget_reports(client: DBOSClient, oldest_ms: float) -> None:
    """Storage commitment reports that came to an end, long ago."""
    ends = ["SUCCESS", "ERROR"]
    rows = client.list_workflows(name=REPORT, status=ends, load_input=False, load_output=False)
    client.delete_workflows([row.workflow_id for row in rows if (row.completed_at or 0) < oldest_ms])


def known(folder: Path) -> set[str]:
    """Names of the instances of a job."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.dcm")}


def put_back(trash: Path, folder: Path) -> None:
    """Also into a folder that a new instance has made meanwhile."""
    for path in trash.rglob("*.dcm"):
        final = folder / path.relative_to(trash)
        final.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.link(path, final)
    shutil.rmtree(trash)
