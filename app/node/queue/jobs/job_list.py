"""The jobs of the queue, as its database holds them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from dbos import DBOSClient

from app.node.queue.attempts import attempts_of
from app.node.queue.decisions import CONFLICT
from app.node.queue.job import StudyJob
from app.node.queue.jobs.job_state import (
    DeliveryState,
    JobState,
    conflict_state,
    end_of_delivery,
    iso,
    mark_superseded,
    state_of,
    study_of,
    with_later,
)
from app.node.queue.workflow import DELIVER, SEGMENT
from operators.errors import UsageError


def list_jobs(
    client: DBOSClient, job_ids: Iterable[str] | None = None, *, detailed: bool = False
) -> list[JobState]:
    """Returns all jobs and conflicts, or those with `job_ids`, oldest first.

    `detailed` also reads the inputs, and makes another query for each running workflow.
    """
    wanted = None if job_ids is None else list(job_ids)
    rows = client.list_workflows(name=SEGMENT, workflow_ids=wanted, load_input=detailed)
    prefix = None if wanted is None else [f"{job_id}>" for job_id in wanted]
    delivered: dict[str, list[Any]] = defaultdict(list)
    for row in client.list_workflows(name=DELIVER, workflow_id_prefix=prefix, load_input=False):
        delivered[row.workflow_id.split(">")[0]].append(row)
    # The last job of each study, as the rows are oldest first
    beside = rows if wanted is None else rows_beside(client, rows)
    latest = {study_of(row.workflow_id): row.workflow_id for row in beside}
    jobs = [mark_superseded(state_of(row, delivered[row.workflow_id]), latest) for row in rows]
    if detailed:
        jobs = [detail(client, *each, delivered[each[0].job_id]) for each in zip(jobs, rows, strict=True)]
    jobs = [with_later(job, row.attributes or {}) for job, row in zip(jobs, rows, strict=True)]
    conflicts = client.list_workflows(name=CONFLICT, workflow_ids=wanted, load_input=False, load_output=False)
    return sorted([*jobs, *map(conflict_state, conflicts)], key=lambda job: job.created_ms)


def rows_beside(client: DBOSClient, rows: Iterable[Any]) -> list[Any]:
    """Returns all jobs of the studies that some jobs belong to."""
    prefixes = sorted({f"{study_of(row.workflow_id)}-" for row in rows})
    if not prefixes:
        return []
    return client.list_workflows(
        name=SEGMENT, workflow_id_prefix=prefixes, load_input=False, load_output=False
    )


def detail(client: DBOSClient, job: JobState, row: Any, deliveries: list[Any]) -> JobState:
    """Adds the sender, the number of images and the reason for a delay. Raises SQLAlchemyError."""
    study = StudyJob(**row.input["args"][0])
    job = replace(
        job,
        calling_ae=study.calling_ae,
        images=study.images,
        revision=study.revision,
        destinations=tuple(destination_of(client, each) for each in deliveries),
    )
    if row.status == "PENDING":
        tried = attempts_of(client, row)
        again = iso(tried.next_ms) if tried.next_ms else ""
        return replace(
            job, code=tried.code, sentence=tried.sentence, attempts=tried.count, next_attempt=again
        )
    postponed = next((each for each in job.destinations if each.sentence), None)
    if job.state == "delivering" and postponed is not None:
        return replace(job, code=postponed.code, sentence=f"{postponed.peer}: {postponed.sentence}")
    return job


def destination_of(client: DBOSClient, row: Any) -> DeliveryState:
    """Returns the state of one delivery; steps are read only for the few that are in progress."""
    peer = row.workflow_id.split(">")[1]
    if row.status == "PENDING":
        tried = attempts_of(client, row)
        state, again = ("postponed", iso(tried.next_ms)) if tried.next_ms else ("sending", "")
        return DeliveryState(peer, state, tried.code, tried.sentence, tried.count, again)
    state, code, sentence = end_of_delivery(row)
    return DeliveryState(peer, "queued" if state == "delivering" else state, code, sentence)


def job_ids(client: DBOSClient) -> list[str]:
    """Returns the ids of all jobs and conflicts."""
    rows = client.list_workflows(name=[SEGMENT, CONFLICT], load_input=False, load_output=False)
    return [row.workflow_id for row in rows]


def require_job(client: DBOSClient, job_id: str) -> JobState:
    """Returns the state of a job. Raises UsageError if there is no such job."""
    found = list_jobs(client, [job_id])
    if not found:
        raise UsageError(f"expected the id of a job, got {job_id!r}; `osteon jobs list` shows them")
    return found[0]
