"""What a user can do with a job, from the command line or the page, each recorded in the audit trail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from dbos import DBOSClient

from app.node.queue.database import LATER, WITHDRAWAL
from app.node.queue.jobs import job_actions
from app.node.queue.jobs.job_list import require_job
from app.node.queue.jobs.job_state import ENDS, HELD, JobState, study_of
from app.node.queue.jobs.queue_places import QueuePlaces
from app.node.send.withdrawal import withdraw
from app.node.settings.configuration import NodeSettings
from app.node.studies import retention
from app.node.watch.audit import USER_ACTIONS, audit_trail
from operators.errors import UsageError


@dataclass(frozen=True)
class Acting:
    """The user `who` acts, on the jobs of a node."""

    node: NodeSettings
    client: DBOSClient
    who: str


@dataclass(frozen=True)
class UserAction:
    """One action: what it does, said before and after it is done, and whether it applies to a job."""

    does: str
    done: str
    act: Callable[[Acting, str], list[str] | None]
    applies: Callable[[JobState], bool]


def act(acting: Acting, name: str, job_id: str) -> list[str]:
    """Carries out an action of ACTIONS; returns sentences. Raises UsageError if the job's state is wrong."""
    action = ACTIONS[name]
    said = action.act(acting, job_id)
    if name in USER_ACTIONS:
        audit_trail(acting.node).changed(study_of(job_id), 0, USER_ACTIONS[name], acting.who)
    return said or [action.done]


def delete(acting: Acting, job_id: str) -> None:
    """Removes the study of a job with all its results and jobs."""
    retention.forget(acting.node, acting.client, job_id, audit_trail(acting.node), acting.who)


def placed(change: Callable[[QueuePlaces, str], bool], expected: str) -> Callable[[Acting, str], None]:
    """Returns an action that changes a job's place in the queue, for a job as `expected`."""

    def act_on(acting: Acting, job_id: str) -> None:
        if not change(QueuePlaces(acting.node), job_id):
            job = require_job(acting.client, job_id)
            raise UsageError(f"expected a job that {expected}; this one is {job.code or job.state}")

    return act_on


hold = placed(QueuePlaces.hold, "is queued")
put_first = placed(QueuePlaces.put_first, "is queued")
release = placed(QueuePlaces.release, "is held")


def settle(acting: Acting, job_id: str, decision: str) -> None:
    """Decides a conflict."""
    job_actions.settle(acting.client, job_id, decision)


def _is_waiting(job: JobState) -> bool:
    return job.state == "queued" and job.code != HELD


def _is_open(job: JobState) -> bool:
    return job.state == "conflict"


ACTIONS: Mapping[str, UserAction] = {
    "retry": UserAction(
        "Try again",
        "The job was started again.",
        lambda acting, job: job_actions.retry(acting.client, job, acting.node.data),
        lambda job: job.state in ("failed", "refused", "cancelled"),
    ),
    "send-now": UserAction(
        "Go on now",
        "The pause was ended.",
        lambda acting, job: job_actions.send_now(acting.client, job, acting.node.data),
        lambda job: job.state in ("running", "delivering") and bool(job.attempts or _postponed(job)),
    ),
    "raise": UserAction("Process first", "The job goes before all others.", put_first, _is_waiting),
    "hold": UserAction("Hold", "The job waits until it is released.", hold, _is_waiting),
    "release": UserAction("Release", "The job is in the queue again.", release, lambda job: job.code == HELD),
    "cancel": UserAction(
        "Cancel the job",
        "The job was cancelled.",
        lambda acting, job: job_actions.cancel(acting.client, job),
        lambda job: job.state not in ENDS and not _is_open(job),
    ),
    "accept": UserAction(
        "Use the later versions",
        "The later versions will be used.",
        lambda acting, job: settle(acting, job, "accept"),
        _is_open,
    ),
    "dismiss": UserAction(
        "Keep the earlier versions",
        "The earlier versions will be kept.",
        lambda acting, job: settle(acting, job, "dismiss"),
        _is_open,
    ),
    "withdraw": UserAction(
        "Withdraw the results",
        "The results are being withdrawn.",
        lambda acting, job: withdraw(acting.client, job, acting.node.data, datetime.now().astimezone()),
        lambda job: job.state in ENDS and _is_in_use(job),
    ),
    "delete": UserAction(
        "Delete the study",
        "The study, its results and its jobs are removed.",
        delete,
        lambda job: job.state in ENDS or _is_open(job),
    ),
}


def _is_in_use(job: JobState) -> bool:
    """Returns whether any destination has results that it was not told to reject."""
    left: Counter[str] = Counter()
    for name, state in job.deliveries:
        peer, _, later = name.partition(LATER)
        is_note = f"{LATER}{later}".startswith(WITHDRAWAL)
        left[peer] += -1 if is_note else state == "delivered"
    return any(count > 0 for count in left.values())


def _postponed(job: JobState) -> bool:
    return any(each.state in ("postponed", "queued") for each in job.destinations)
