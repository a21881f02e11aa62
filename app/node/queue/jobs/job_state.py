"""The state of a job, derived from the rows of its segmentation, its deliveries and its conflict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from app.node.queue.decisions import outcome_of
from app.node.queue.findings import Finding, finding_of
from operators.errors import DEFECT, OsteonError

# All states of jobs and conflicts; all but the first four are final.
STATES = (
    "queued", "running", "delivering", "conflict", "delivered", "refused", "failed", "cancelled",
    "superseded", "accepted", "dismissed",
)  # fmt: skip
ENDS = frozenset(STATES[4:])
# Code of a job whose results have patient or study data that were corrected since
FORMER_DATA = "former_patient_data"
MOVED = "moved"
# Code of a queued job that a user holds
HELD = "held"
UNDER_WAY = {"ENQUEUED": "queued", "DELAYED": "queued", "PENDING": "running"}


@dataclass(frozen=True)
class DeliveryState:
    """The state of a job at one destination: queued, sending, postponed, delivered, failed or cancelled.

    `attempts` have failed so far; `next_attempt` is the time of the next one if the delivery is postponed.
    """

    peer: str
    state: str
    code: str = ""
    sentence: str = ""
    attempts: int = 0
    next_attempt: str = ""


@dataclass(frozen=True)
class JobState:
    """The state of a job or a conflict.

    `code` and `sentence` say why it was refused, failed or postponed, or what a peer has not accepted.
    `begun_ms` is when the job was taken from the queue, 0 for never. `finding`, `probability` and `threshold`
    are those of a Finding, '' and None if the results state nothing about fractures. The fields from
    `calling_ae` on are set in `detailed` lists only.
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
    threshold: str = ""
    calling_ae: str = ""
    images: int = 0
    revision: int = 0
    attempts: int = 0
    next_attempt: str = ""
    destinations: tuple[DeliveryState, ...] = ()

    @property
    def study_instance_uid(self) -> str:
        """Returns the study's UID."""
        return study_of(self.job_id)

    @property
    def finding_in_words(self) -> str:
        """Returns what the results state about fractures, or '' if they state nothing."""
        return str(Finding(self.finding, self.probability, self.threshold)) if self.finding else ""


def study_of(job_id: str) -> str:
    """Returns the study's UID of a job or a conflict."""
    return job_id.rpartition("-")[0]


def conflict_state(row: Any) -> JobState:
    """Returns the state of a conflict, which is listed like a job."""
    return JobState(
        row.workflow_id,
        **outcome_of(row),
        created_at=iso(row.created_at),
        created_ms=row.created_at or 0,
        completed_ms=row.completed_at or row.updated_at or 0,
    )


def mark_superseded(job: JobState, latest: dict[str, str]) -> JobState:
    """Marks a cancelled job as superseded if its study has a later job."""
    if job.state == "cancelled" and latest[job.study_instance_uid] != job.job_id:
        return replace(job, state="superseded", sentence="more instances of the study were received")
    return job


def with_later(job: JobState, attributes: Mapping[str, Any]) -> JobState:
    """Adds later corrections of the study's patient data; `attributes` are those of the job's row."""
    if "moved_to" in attributes and job.state in ENDS:
        text = f"{attributes['moved']} of its instances were sent again in study {attributes['moved_to']}"
        job = replace(job, code=job.code or MOVED, sentence="; ".join(filter(None, (job.sentence, text))))
    if "replaced_by" not in attributes:
        return job
    words = ", ".join(attributes["keywords"])
    delivered = [name for name, state in job.deliveries if state == "delivered"]
    if delivered:
        text = f"its results at {', '.join(delivered)} have the former {words}"
    elif job.state == "delivering":
        text = f"{words} were corrected, so its results are not sent"
    elif job.state == "superseded":
        text = f"{words} were corrected before a result was delivered"
    else:
        return job
    return replace(job, code=FORMER_DATA, sentence=f"{text}; {attributes['replaced_by']} replaces it")


def state_of(row: Any, deliveries: list[Any]) -> JobState:
    """Returns the state of one job."""
    job = JobState(
        row.workflow_id,
        "running",
        created_at=iso(row.created_at),
        created_ms=row.created_at or 0,
        completed_ms=row.completed_at or 0,
        begun_ms=row.dequeued_at or 0,
    )
    if row.status == "DELAYED":
        return replace(job, state="queued", code=HELD, sentence="held by a user until it is released")
    if row.status in UNDER_WAY:
        return replace(job, state=UNDER_WAY[row.status])
    if row.status != "SUCCESS":
        return unfinished_jobs(job, row.status)
    outcome = row.output
    if outcome["state"] != "segmented":
        return replace(job, state=outcome["state"], code=outcome["code"], sentence=outcome["sentence"])
    if finding := finding_of(outcome):
        job = replace(job, finding=finding.code, probability=finding.probability, threshold=finding.threshold)
    return with_missing(delivery_state(job, deliveries), outcome)


def with_missing(job: JobState, outcome: Mapping[str, str]) -> JobState:
    """Adds the results that could not be made; the other results are delivered without them."""
    if not outcome["sentence"]:
        return job
    text = "; ".join(filter(None, (job.sentence, outcome["sentence"])))
    return replace(job, code=job.code or outcome["code"], sentence=text)


def unfinished_jobs(job: JobState, status: str) -> JobState:
    """Returns the state of a job that has ended without an outcome."""
    if status == "CANCELLED":
        return replace(job, state="cancelled", code="cancelled", sentence="cancelled by a user")
    if status == "MAX_RECOVERY_ATTEMPTS_EXCEEDED":
        sentence = "expected the worker to survive this study, it died repeatedly while processing it"
        return replace(job, state="failed", code="worker_died", sentence=sentence)
    return replace(job, state="failed", code=OsteonError.code, sentence=DEFECT)


def delivery_state(job: JobState, deliveries: list[Any]) -> JobState:
    """Returns the state of a job from its deliveries: delivered once all are, failed if one has failed."""
    if not deliveries:
        sentence = "expected a destination for the result, none is configured"
        return replace(job, state="failed", code="no_destination", sentence=sentence)
    ends = [end_of_delivery(row) for row in deliveries]
    named = tuple((row.workflow_id.split(">")[1], end[0]) for row, end in zip(deliveries, ends, strict=True))
    completed_ms = max([job.completed_ms, *(row.completed_at or 0 for row in deliveries)])
    job = replace(job, deliveries=named, completed_ms=completed_ms)
    for wanted in ("delivering", "failed", "cancelled"):
        for state, code, sentence in ends:
            if state == wanted:
                return replace(job, state=state, code=code, sentence=sentence)
    remarks = [(code, sentence) for _, code, sentence in ends if sentence]
    code, sentences = remarks[0][0] if remarks else "", (sentence for _, sentence in remarks)
    return replace(job, state="delivered", code=code, sentence="; ".join(sentences))


def end_of_delivery(row: Any) -> tuple[str, str, str]:
    """Returns state, code and sentence of one delivery."""
    if row.status in UNDER_WAY:
        return "delivering", "", ""
    if row.status == "SUCCESS":
        return row.output["state"], row.output["code"], row.output["sentence"]
    if row.status == "CANCELLED":
        return "cancelled", "cancelled", "cancelled by a user"
    return "failed", OsteonError.code, DEFECT


def iso(epoch_ms: int | None) -> str:
    """Returns a time in ISO 8601 format, in UTC."""
    return datetime.fromtimestamp((epoch_ms or 0) / 1000, UTC).isoformat(timespec="seconds")
