"""The state of every study, put together from its segmentation, its deliveries and its conflicts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dbos import DBOSClient

from app.node.queue.attempts import attempts_of
from app.node.queue.database import STUDIES, delivery_queue
from app.node.queue.decisions import CONFLICT, INCOMPLETE, decide, outcome_of
from app.node.queue.decisions import rows as conflicts_of
from app.node.queue.findings import Finding, finding_of
from app.node.queue.job import StudyJob, job_folder
from app.node.queue.pauses import end_pause, forget_request
from app.node.queue.workflow import DELIVER, SEGMENT
from app.printable import counted
from operators.errors import DEFECT, OsteonError, UsageError

# Every state that a job can be in, then those of a conflict; all but the first four are ends.
STATES = (
    "queued", "running", "delivering", "conflict", "delivered", "refused", "failed", "cancelled",
    "superseded", "accepted", "dismissed",
)  # fmt: skip
ENDS = frozenset(STATES[4:])
# Of a job whose results are of patient or study data that were corrected since
FORMER_DATA = "former_patient_data"
MOVED = "moved"
UNDER_WAY = {"ENQUEUED": "queued", "DELAYED": "queued", "PENDING": "running"}


@dataclass(frozen=True)
class DeliveryState:
    """The state of a job at one destination: queued, sending, postponed, delivered, failed or cancelled.

    `attempts` were made in vain so far; `next_attempt` is the time of the next one of a postponed delivery.
    """

    peer: str
    state: str
    code: str = ""
    sentence: str = ""
    attempts: int = 0
    next_attempt: str = ""


@dataclass(frozen=True)
class JobState:
    """`code` and `sentence` say why it was refused, failed or postponed, or what a peer has not taken.

    `finding` is what a result says of fractures, a code of findings.WORDS or '', with its `probability`. What
    `detailed` lists alone hold stands last; `begun_ms` is when it was taken from the queue, 0 for never.
    """

    job_id: str
    state: str
    code: str = ""
    sentence: str = ""
    created_at: str = ""
    created_ms: int = 0
    completed_ms: int = 0
    deliveries: tuple[tuple[str, str], ...] = ()
    begun_ms: int = 0
    finding: str = ""
    probability: float | None = None
    calling_ae: str = ""
    images: int = 0
    revision: int = 0
    attempts: int = 0
    next_attempt: str = ""
    destinations: tuple[DeliveryState, ...] = ()

    @property
    def study_instance_uid(self) -> str:
        """The study."""
        return study_of(self.job_id)

    @property
    def finding_in_words(self) -> str:
        """What its result says of fractures; '' where it says nothing."""
        return str(Finding(self.finding, self.probability)) if self.finding else ""


def list_jobs(
    client: DBOSClient, job_ids: Iterable[str] | None = None, *, detailed: bool = False
) -> list[JobState]:
    """Oldest first; `detailed` ones cost a read of the inputs, and one for each workflow that is in hand."""
    wanted = None if job_ids is None else list(job_ids)
    rows = client.list_workflows(name=SEGMENT, workflow_ids=wanted, load_input=detailed)
    prefix = None if wanted is None else [f"{job_id}>" for job_id in wanted]
    delivered: dict[str, list[Any]] = defaultdict(list)
    for row in client.list_workflows(name=DELIVER, workflow_id_prefix=prefix, load_input=False):
        delivered[row.workflow_id.split(">")[0]].append(row)
    latest = latest_jobs(rows if wanted is None else rows_beside(client, rows))
    jobs = [mark_superseded(state_of(row, delivered[row.workflow_id]), latest) for row in rows]
    if detailed:
        jobs = [detail(client, *each, delivered[each[0].job_id]) for each in zip(jobs, rows, strict=True)]
    jobs = [with_later(job, row.attributes or {}) for job, row in zip(jobs, rows, strict=True)]
    conflicts = client.list_workflows(name=CONFLICT, workflow_ids=wanted, load_input=False, load_output=False)
    return sorted([*jobs, *map(conflict_state, conflicts)], key=lambda job: job.created_ms)


def rows_beside(client: DBOSClient, rows: Iterable[Any]) -> list[Any]:
    """All jobs of the studies of some."""
    prefixes = sorted({f"{study_of(row.workflow_id)}-" for row in rows})
    if not prefixes:
        return []
    return client.list_workflows(
        name=SEGMENT, workflow_id_prefix=prefixes, load_input=False, load_output=False
    )


def latest_jobs(rows: Iterable[Any]) -> dict[str, str]:
    """The last job of each study; rows are oldest first."""
    return {study_of(row.workflow_id): row.workflow_id for row in rows}


def study_of(job_id: str) -> str:
    """The study of a job or a conflict."""
    return job_id.rpartition("-")[0]


def detail(client: DBOSClient, job: JobState, row: Any, deliveries: list[Any]) -> JobState:
    """Who sent it and how much, and what holds it up. Raises SQLAlchemyError."""
    study = StudyJob.of(row.input["args"][0])
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
    """One delivery; only those that a sender has in hand, a few at a time, have their steps read."""
    peer = row.workflow_id.split(">")[1]
    if row.status == "PENDING":
        tried = attempts_of(client, row)
        state, again = ("postponed", iso(tried.next_ms)) if tried.next_ms else ("sending", "")
        return DeliveryState(peer, state, tried.code, tried.sentence, tried.count, again)
    state, code, sentence = end_of_delivery(row)
    return DeliveryState(peer, "queued" if state == "delivering" else state, code, sentence)


def conflict_state(row: Any) -> JobState:
    """A conflict, listed like a job."""
    return JobState(
        row.workflow_id,
        **outcome_of(row),
        created_at=iso(row.created_at),
        created_ms=row.created_at or 0,
        completed_ms=row.completed_at or row.updated_at or 0,
    )


def mark_superseded(job: JobState, latest: dict[str, str]) -> JobState:
    """A cancelled job whose study has a later one was not cancelled by a person."""
    if job.state == "cancelled" and latest[job.study_instance_uid] != job.job_id:
        return replace(job, state="superseded", sentence="more instances of the study came")
    return job


def with_later(job: JobState, said: Mapping[str, Any]) -> JobState:
    """Adds what came of the study's patient data after the job; `said` are the attributes of its row."""
    if "moved_to" in said and job.state in ENDS:
        text = f"{said['moved']} of its instances came again in study {said['moved_to']}"
        job = replace(job, code=job.code or MOVED, sentence="; ".join(filter(None, (job.sentence, text))))
    if "replaced_by" not in said:
        return job
    words = ", ".join(said["keywords"])
    went = [name for name, state in job.deliveries if state == "delivered"]
    if went:
        text = f"its results at {', '.join(went)} stand under the former {words}"
        return replace(job, code=FORMER_DATA, sentence=f"{text}; {said['replaced_by']} replaces it")
    if job.state == "delivering":
        text = f"{words} were corrected, so its results are not sent; {said['replaced_by']} replaces it"
        return replace(job, code=FORMER_DATA, sentence=text)
    if job.state == "superseded":
        text = f"{words} were corrected before a result was delivered; {said['replaced_by']} replaces it"
        return replace(job, code=FORMER_DATA, sentence=text)
    return job


def state_of(row: Any, deliveries: list[Any]) -> JobState:
    """One job."""
    job = JobState(
        row.workflow_id,
        "running",
        created_at=iso(row.created_at),
        created_ms=row.created_at or 0,
        completed_ms=row.completed_at or 0,
        begun_ms=row.dequeued_at or 0,
    )
    if row.status in UNDER_WAY:
        return replace(job, state=UNDER_WAY[row.status])
    if row.status != "SUCCESS":
        return unfinished_jobs(job, row.status)
    outcome = row.output
    if outcome["state"] != "segmented":
        return replace(job, state=outcome["state"], code=outcome["code"], sentence=outcome["sentence"])
    if finding := finding_of(outcome):
        job = replace(job, finding=finding.code, probability=finding.probability)
    return with_missing(delivery_state(job, deliveries), outcome)


def with_missing(job: JobState, outcome: Mapping[str, str]) -> JobState:
    """Names the results that could not be made, which nobody waits for."""
    if not outcome["sentence"]:
        return job
    text = "; ".join(filter(None, (job.sentence, outcome["sentence"])))
    return replace(job, code=job.code or outcome["code"], sentence=text)


def unfinished_jobs(job: JobState, status: str) -> JobState:
    """A job that came to no end of its own."""
    if status == "CANCELLED":
        return replace(job, state="cancelled", code="cancelled", sentence="cancelled by a person")
    if status == "MAX_RECOVERY_ATTEMPTS_EXCEEDED":
        sentence = "expected the worker to survive this study, it died on it repeatedly"
        return replace(job, state="failed", code="worker_died", sentence=sentence)
    return replace(job, state="failed", code=OsteonError.code, sentence=DEFECT)


def delivery_state(job: JobState, deliveries: list[Any]) -> JobState:
    """Delivered when every destination has it; failed when one never will."""
    if not deliveries:
        sentence = "expected a destination for the result, none is set"
        return replace(job, state="failed", code="no_destination", sentence=sentence)
    ends = [end_of_delivery(row) for row in deliveries]
    named = tuple((row.workflow_id.split(">")[1], end[0]) for row, end in zip(deliveries, ends, strict=True))
    completed_ms = max([job.completed_ms, *(row.completed_at or 0 for row in deliveries)])
    job = replace(job, deliveries=named, completed_ms=completed_ms)
    for wanted in ("delivering", "failed", "cancelled"):
        for state, code, sentence in ends:
            if state == wanted:
                return replace(job, state=state, code=code, sentence=sentence)
    said = [(code, sentence) for _, code, sentence in ends if sentence]
    code = said[0][0] if said else ""
    return replace(job, state="delivered", code=code, sentence="; ".join(sentence for _, sentence in said))


def end_of_delivery(row: Any) -> tuple[str, str, str]:
    """State, code and sentence of one delivery."""
    if row.status in UNDER_WAY:
        return "delivering", "", ""
    if row.status == "SUCCESS":
        return row.output["state"], row.output["code"], row.output["sentence"]
    if row.status == "CANCELLED":
        return "cancelled", "cancelled", "cancelled by a person"
    return "failed", OsteonError.code, DEFECT


def iso(epoch_ms: int | None) -> str:
    """A time as people read it."""
    return datetime.fromtimestamp((epoch_ms or 0) / 1000, UTC).isoformat(timespec="seconds")


def job_ids(client: DBOSClient) -> list[str]:
    """Returns the ids of all jobs and conflicts."""
    rows = client.list_workflows(name=[SEGMENT, CONFLICT], load_input=False, load_output=False)
    return [row.workflow_id for row in rows]


def require_job(client: DBOSClient, job_id: str) -> JobState:
    """Raises UsageError where there is no such job."""
    found = list_jobs(client, [job_id])
    if not found:
        raise UsageError(f"expected the id of a job, got {job_id!r}; `osteon jobs list` shows them")
    return found[0]


def retry(client: DBOSClient, job_id: str, data: Path) -> None:
    """Begins again what ended without a delivery, with all its time. Raises UsageError for other jobs."""
    job = require_job(client, job_id)
    if job.state not in ("failed", "refused", "cancelled"):
        raise UsageError(f"expected a job that failed, was refused or cancelled; this one is {job.state}")
    missing = [name for name, state in job.deliveries if state != "delivered"]
    again = {f"{job_id}>{name}": delivery_queue(name) for name in missing} or {job_id: STUDIES}
    job_folder(data, job_id).timed_out.unlink(missing_ok=True)
    for workflow_id, queue in again.items():
        forget_request(data, workflow_id)
        # Without the queue's name any process would take it, those too that know no such workflow
        client.rewind_workflow(workflow_id, queue_name=queue)


def cancel(client: DBOSClient, job_id: str) -> None:
    """Ends what has not ended. Raises UsageError for other jobs."""
    job = require_job(client, job_id)
    if job.state in ENDS:
        raise UsageError(f"expected a job that has not ended; this one is {job.state}")
    if job.state == "conflict":
        raise UsageError("expected a job, got a conflict: `osteon jobs accept` or `osteon jobs dismiss`")
    open_ones = [f"{job_id}>{name}" for name, state in job.deliveries if state == "delivering"] or [job_id]
    client.cancel_workflows(open_ones)


def send_now(client: DBOSClient, job_id: str, data: Path) -> list[str]:
    """Ends the pauses that hold a job up, also those of deliveries that it waits behind; a sentence for each.

    Raises UsageError where nothing is postponed.
    """
    job = require_job(client, job_id)
    if job.state == "running":
        said = [ended_pause(client, row, data) for row in in_hand(client, SEGMENT, job_id)]
    else:
        open_ones = [name for name, state in job.deliveries if state == "delivering"]
        said = [sentence for name in open_ones for sentence in sent_now(client, job_id, name, data)]
    if not any(said):
        raise UsageError(f"expected a job that is postponed; this one is {job.state}")
    return [sentence for sentence in said if sentence]


def sent_now(client: DBOSClient, job_id: str, peer_name: str, data: Path) -> list[str]:
    """Ends the pause of one delivery and of those before it; returns a sentence for each."""
    own = in_hand(client, DELIVER, f"{job_id}>{peer_name}")
    if own:
        return [ended_pause(client, row, data) for row in own]
    ahead = client.list_workflows(
        name=DELIVER, status="PENDING", queue_name=delivery_queue(peer_name), load_input=False
    )
    before = [sentence for row in ahead if (sentence := ended_pause(client, row, data))]
    return [f"{peer_name}: waits in the queue; what is before it goes first", *before] if before else []


def in_hand(client: DBOSClient, name: str, workflow_id: str) -> list[Any]:
    """The workflow's row where a process has taken it up, else nothing."""
    return client.list_workflows(name=name, workflow_ids=[workflow_id], status="PENDING", load_input=False)


def ended_pause(client: DBOSClient, row: Any, data: Path) -> str:
    """Ends the pause of one workflow; '' where it makes none now."""
    tried = attempts_of(client, row)
    if not tried.pause_step:
        return ""
    end_pause(data, row.workflow_id, tried.pause_step)
    name = row.workflow_id.partition(">")[2] or "segmentation"
    return f"{name}: is tried now, after {counted(tried.count, 'attempt')} (last: {tried.sentence})"


def settle(client: DBOSClient, job_id: str, decision: str) -> JobState:
    """Says whether a conflict's versions are used or not; carried out at the node's next look.

    Raises UsageError for what is no conflict that waits for a decision.
    """
    job = require_job(client, job_id)
    if job.state != "conflict":
        raise UsageError(f"expected a conflict that waits for a decision; this one is {job.state}")
    if (decision, job.code) == ("accept", INCOMPLETE):
        text = "a result would show images of two patients; send the others too, or dismiss these"
        raise UsageError(f"expected all images of a series to have come again, some have not: {text}")
    open_ones = conflicts_of(client, job.study_instance_uid, only_open=True)
    rivals = [each.conflict_id for each in open_ones if each.decision == "accept"]
    if decision == "accept" and rivals:
        raise UsageError(f"expected one decision at a time, {rivals[0]} is being accepted just now")
    decide(client, job_id, decision)
    return require_job(client, job_id)
