"""The actions on a job: restart it, cancel it, end its pause, decide a conflict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dbos import DBOSClient

from app.node.queue.attempts import attempts_of
from app.node.queue.database import STUDIES, delivery_queue
from app.node.queue.decisions import INCOMPLETE, decide
from app.node.queue.decisions import rows as conflicts_of
from app.node.queue.job import job_folder
from app.node.queue.jobs.job_list import require_job
from app.node.queue.jobs.job_state import ENDS, JobState
from app.node.queue.pauses import end_pause, request_file
from app.node.queue.workflow import DELIVER, SEGMENT
from app.printable import counted
from operators.errors import UsageError


def retry(client: DBOSClient, job_id: str, data: Path) -> None:
    """Restarts a job that ended without a delivery, with full time limits. Raises UsageError for others."""
    job = require_job(client, job_id)
    if job.state not in ("failed", "refused", "cancelled"):
        raise UsageError(f"expected a job that failed, was refused or cancelled; this one is {job.state}")
    missing = [name for name, state in job.deliveries if state != "delivered"]
    again = {f"{job_id}>{name}": delivery_queue(name) for name in missing} or {job_id: STUDIES}
    job_folder(data, job_id).timed_out.unlink(missing_ok=True)
    for workflow_id, queue in again.items():
        # The steps are counted from the start again
        request_file(data, workflow_id).unlink(missing_ok=True)
        # Without the queue's name any process would take it, even one that does not know the workflow
        client.rewind_workflow(workflow_id, queue_name=queue)


def cancel(client: DBOSClient, job_id: str) -> None:
    """Cancels a job that has not ended. Raises UsageError for other jobs."""
    job = require_job(client, job_id)
    if job.state in ENDS:
        raise UsageError(f"expected a job that has not ended; this one is {job.state}")
    if job.state == "conflict":
        raise UsageError("expected a job, got a conflict: `osteon jobs accept` or `osteon jobs dismiss`")
    open_ones = [f"{job_id}>{name}" for name, state in job.deliveries if state == "delivering"] or [job_id]
    client.cancel_workflows(open_ones)


def send_now(client: DBOSClient, job_id: str, data: Path) -> list[str]:
    """Ends the pauses that delay a job, including those of deliveries queued before it.

    Returns a sentence for each. Raises UsageError if nothing is postponed.
    """
    job = require_job(client, job_id)
    if job.state == "running":
        sentences = [ended_pause(client, row, data) for row in in_progress(client, SEGMENT, job_id)]
    else:
        open_ones = [name for name, state in job.deliveries if state == "delivering"]
        sentences = [sentence for name in open_ones for sentence in sent_now(client, job_id, name, data)]
    if not any(sentences):
        raise UsageError(f"expected a job that is postponed; this one is {job.state}")
    return [sentence for sentence in sentences if sentence]


def sent_now(client: DBOSClient, job_id: str, peer_name: str, data: Path) -> list[str]:
    """Ends the pause of one delivery and of those before it; returns a sentence for each."""
    own = in_progress(client, DELIVER, f"{job_id}>{peer_name}")
    if own:
        return [ended_pause(client, row, data) for row in own]
    ahead = client.list_workflows(
        name=DELIVER, status="PENDING", queue_name=delivery_queue(peer_name), load_input=False
    )
    before = [sentence for row in ahead if (sentence := ended_pause(client, row, data))]
    return [f"{peer_name}: waits in the queue behind other deliveries", *before] if before else []


def in_progress(client: DBOSClient, name: str, workflow_id: str) -> list[Any]:
    """Returns the workflow's row if a process is running it, else an empty list."""
    return client.list_workflows(name=name, workflow_ids=[workflow_id], status="PENDING", load_input=False)


def ended_pause(client: DBOSClient, row: Any, data: Path) -> str:
    """Ends the pause of one workflow and returns a sentence, or '' if it is not in a pause."""
    tried = attempts_of(client, row)
    if not tried.pause_step:
        return ""
    end_pause(data, row.workflow_id, tried.pause_step)
    name = row.workflow_id.partition(">")[2] or "segmentation"
    return f"{name}: retried now, after {counted(tried.count, 'attempt')} (last: {tried.sentence})"


def settle(client: DBOSClient, job_id: str, decision: str) -> JobState:
    """Records the decision about a conflict, which the node carries out at its next look.

    Raises UsageError if it is not a conflict that waits for a decision.
    """
    job = require_job(client, job_id)
    if job.state != "conflict":
        raise UsageError(f"expected a conflict that waits for a decision; this one is {job.state}")
    if (decision, job.code) == ("accept", INCOMPLETE):
        text = "a result would show images of two patients; send the others too, or dismiss these"
        raise UsageError(f"expected all images of a series to be sent again, some were not: {text}")
    open_ones = conflicts_of(client, job.study_instance_uid, only_open=True)
    rivals = [each.conflict_id for each in open_ones if each.decision == "accept"]
    if decision == "accept" and rivals:
        raise UsageError(f"expected one decision at a time, {rivals[0]} is being accepted just now")
    decide(client, job_id, decision)
    return require_job(client, job_id)
