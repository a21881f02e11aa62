"""Leaves messages of jobs: of fractures, urgent studies, and those that failed or were refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import structlog

from app.library_messages import error_values
from app.node.queue.findings import FRACTURE, Finding, finding_of
from app.node.queue.job import Json
from app.node.queue.jobs.job_state import JobState
from app.node.send.message_outbox import forget_sent, outbox, put_job
from app.node.settings.configuration import NodeSettings
from app.node.settings.messages import Event
from app.node.storage.json_file import read_json, write_json
from operators.errors import OsteonError

POSITIVE = "a result shows a fracture"
ENDS: dict[str, tuple[Event, str]] = {
    "failed": ("failed", "a study failed"),
    "refused": ("refused", "a study was refused"),
}
# Since when messages are made: earlier jobs are nobody's news
SINCE = "since"
# Marks of sent messages about disk and peers are kept for a week
KEPT_S = 7 * 86400.0

log = structlog.get_logger()


def put_finding(node: NodeSettings, job_id: str, finding: Finding | None, at: str) -> None:
    """Leaves a message of a fracture; there is one for each job, so its key has no time."""
    if finding is not None and finding.code == FRACTURE:
        job = JobState(job_id, "delivering", finding.code, str(finding))
        put_job(node, "positive", POSITIVE, job, at)


def put_outcome(node: NodeSettings, job: Json, outcome: Json) -> None:
    """Leaves a message if the outcome of a job shows a fracture; called by the job's own workflow."""
    put_finding(node, job["job_id"], finding_of(outcome), now_iso())


def put_urgent(node: NodeSettings, job: JobState) -> None:
    """Leaves a message of a study that is queued as urgent."""
    put_job(node, "urgent", "an urgent study was received", job, now_iso())


def put_ended(node: NodeSettings, jobs: Sequence[JobState], now_ms: float) -> None:
    """Leaves messages of jobs that have ended since messages are made, and forgets those of removed jobs.

    Never raises: the removal of old studies does not depend on it.
    """
    if node.messages is None:
        return
    try:
        since_ms = since(node, now_ms)
        for job in jobs:
            if job.completed_ms >= since_ms:
                put_end(node, job)
        forget_sent(node.data, {job.job_id for job in jobs}, now_ms / 1000 - KEPT_S)
    except (OsteonError, OSError) as error:
        log.error("messages_not_made", **error_values(error))


def put_end(node: NodeSettings, job: JobState) -> None:
    """Leaves the messages of one job that has ended."""
    at = datetime.fromtimestamp(job.completed_ms / 1000, UTC).isoformat()
    if job.finding:
        put_finding(node, job.job_id, Finding(job.finding, job.probability, job.threshold), at)
    if job.state in ENDS:
        put_job(node, *ENDS[job.state], job, at)


def since(node: NodeSettings, now_ms: float) -> float:
    """Returns the time from which on jobs are news: that of the first call. Raises UnwritableError."""
    path = outbox(node.data) / SINCE
    try:
        return float(read_json(path)["ms"])
    except (OSError, ValueError, KeyError, TypeError):
        write_json(path, {"ms": now_ms})
        return now_ms


def now_iso() -> str:
    """Returns the present time, in UTC."""
    return datetime.now(UTC).isoformat()
