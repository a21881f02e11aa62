"""Sends notices of events to a URL by HTTP: a small JSON object without patient data.

Each notice is a durable workflow of the sender and is sent only once.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from dbos import DBOS, DBOSClient, EnqueueOptions

from app.node.peers.http_client import ask
from app.node.peers.http_stream import HttpLimits
from app.node.queue.database import WORKFLOW_VERSION
from app.node.queue.findings import FRACTURE, finding_of
from app.node.queue.job import Json
from app.node.queue.jobs.job_state import JobState
from app.node.queue.workflow import NOTICE, Attempt
from app.node.send.message_events import put_outcome
from app.node.settings.configuration import NodeSettings
from operators.errors import OutputError, TransientError

NOTICES_QUEUE = "notices"
# All events, with their meaning
EVENTS: Mapping[str, str] = {
    "correction": "patient or study data of a study were corrected, and a new job was created",
    "conflict": "other versions of instances were received, about which a person must decide",
    "moved": "instances of a study were sent again in another study",
    "failed": "a job failed",
    "finding": "the result of a job shows a fracture",
}
# Separates the id of a job from the event in the id of a notice
EVENT_MARK = "!"
LONGEST_SENTENCE = 1000
NOTICE_S = 10.0
# Maximum size of the head of an answer, of which only the status is used
ANSWER_BYTES = 1 << 16
# Statuses of a server that is overloaded or temporarily unavailable; they pass, as 5xx does
PASSING = frozenset((408, 425, 429))


@dataclass(frozen=True)
class Notice:
    """An event of a job or a conflict."""

    event: str
    job: JobState

    @property
    def workflow_id(self) -> str:
        """Returns the id of the notice, which is the same for the same event."""
        return f"{self.job.job_id}{EVENT_MARK}{self.event}-{self.job.completed_ms}"

    @property
    def options(self) -> EnqueueOptions:
        """Returns the options for queueing the notice."""
        return {
            "workflow_name": NOTICE,
            "queue_name": NOTICES_QUEUE,
            "workflow_id": self.workflow_id,
            "app_version": WORKFLOW_VERSION,
        }

    def as_json(self) -> Json:
        """Returns the body of the request."""
        return {
            "event": self.event,
            "job_id": self.job.job_id,
            "study_instance_uid": self.job.study_instance_uid,
            "state": self.job.state,
            "code": self.job.code,
            "sentence": self.job.sentence[:LONGEST_SENTENCE],
        }


def job_of(workflow_id: str) -> str:
    """Returns the id of the job or conflict from a notice's id; the id itself for other workflows."""
    return workflow_id.partition(EVENT_MARK)[0]


def announce(settings: NodeSettings, client: DBOSClient, notice: Notice) -> None:
    """Queues a notice if the settings have a notice_url; repeated calls queue it only once."""
    if settings.notice_url:
        client.enqueue(notice.options, notice.as_json())


def announce_finding(settings: NodeSettings, job: Json, outcome: Json) -> None:
    """Queues a notice and a message of a fracture if the settings ask for them; called by the job's workflow.

    Nothing of the job has been delivered yet, so the id of the notice depends only on the job's id: there is
    one for each job.
    """
    put_outcome(settings, job, outcome)
    finding = finding_of(outcome)
    if not (settings.notice_url and settings.notice_findings) or finding is None or finding.code != FRACTURE:
        return
    notice = Notice("finding", JobState(job["job_id"], "delivering", finding.code, str(finding)))
    DBOS.enqueue_workflow_with_options(notice.options, notice.as_json())


def announce_failed(settings: NodeSettings, client: DBOSClient, jobs: list[JobState]) -> None:
    """Queues notices of the failed jobs that were not announced yet."""
    failed = [Notice("failed", job) for job in jobs if job.state == "failed"]
    if not settings.notice_url or not failed:
        return
    rows = client.list_workflows(name=NOTICE, load_input=False, load_output=False)
    known = {row.workflow_id for row in rows}
    for notice in failed:
        if notice.workflow_id not in known:
            announce(settings, client, notice)


def post(notice: Json, settings: NodeSettings) -> Attempt:
    """Sends a notice once; only the status of the answer is read. Raises TransientError or OutputError."""
    if not settings.notice_url:
        raise OutputError("expected a notice_url in the settings, it was removed", code="no_destination")
    limits = HttpLimits(min(NOTICE_S, settings.network_s), min(NOTICE_S, settings.network_s), ANSWER_BYTES)
    content, headers = json.dumps(notice).encode(), {"Content-Type": "application/json"}
    headers["Content-Length"] = str(len(content))
    trusted = ssl.create_default_context()
    status = ask(
        "POST", settings.notice_url, "notice_url", trusted, limits, headers, content, status_alone=True
    ).status
    if 200 <= status < 300:
        return Attempt("delivered")
    text = f"expected notice_url to accept a notice, got HTTP status {status}"
    if status in PASSING or status >= 500:
        raise TransientError(text, code=f"http_{status}")
    raise OutputError(text, code=f"http_{status}")
