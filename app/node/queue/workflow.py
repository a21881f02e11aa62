"""The durable workflows: segmenting a study, delivering to each destination, reporting, sending notices.

A finished step is never repeated, even if a process is killed between steps; an interrupted step is repeated
and makes the same objects with the same UIDs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog
from dbos import DBOS, EnqueueOptions

from app.node.queue import pauses
from app.node.queue.abandoned import Running
from app.node.queue.database import WORKFLOW_VERSION, delivery_queue
from app.node.queue.findings import shows_fracture
from app.node.queue.job import Json, priority
from app.node.queue.outcomes import name_failure, read_all, summarise_outcomes
from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer, Urgency

log = structlog.get_logger()

SEGMENT, DELIVER, NOTICE = "segment_study", "deliver_result", "send_notice"
# Time to fix a full disk, for example; other studies wait meanwhile.
SEGMENT_PATIENCE_S = 600.0
# Older notices are no longer useful
NOTICE_PATIENCE_S = 86400.0


class Segments(Protocol):
    """The steps of a worker (`segmenting.Segmenter`)."""

    def decide(self, values: Json) -> Json:
        """Decides which series are segmented."""

    def segment(self, values: Json, numbers: Sequence[int]) -> Json:
        """Segments one series, of which these are the candidates."""


@dataclass(frozen=True)
class Attempt:
    """The outcome of one attempt to deliver: `state` is delivered, failed, or transient."""

    state: str
    code: str = ""
    sentence: str = ""
    instances: int = 0


def define_segmenting(
    settings: NodeSettings,
    segmenter: Segments,
    running: Running,
    announce: Callable[[Json, Json], None] = lambda _, __: None,
) -> Callable[[Json], Json]:
    """Registers the workflow that segments studies; to be called before DBOS is launched.

    `announce` is called with a job and its outcome after its deliveries are queued; notices that it queues in
    the workflow are queued only once.
    """

    @DBOS.step(name="decide")
    def decide(job: Json) -> Json:
        return name_failure(job, lambda: segmenter.decide(job))

    @DBOS.step(name="segment")
    def segment(job: Json, numbers: list[int]) -> Json:
        return name_failure(job, lambda: segmenter.segment(job, numbers))

    @DBOS.workflow(name=SEGMENT, max_recovery_attempts=settings.crash_limit)
    def segment_study(job: Json) -> Json:
        with running.this():
            return segmented(job)

    def segmented(job: Json) -> Json:
        plan = retry_step(partial(decide, job), SEGMENT_PATIENCE_S, settings.data)
        if plan["state"] != "decided":
            return plan
        series = read_all(
            plan, lambda ns: retry_step(partial(segment, job, ns), SEGMENT_PATIENCE_S, settings.data)
        )
        outcome = summarise_outcomes([*series, *plan["refusals"]])
        hand_over(job, outcome, settings)
        announce(job, outcome)
        return outcome

    return segment_study


def retry_step(step: Callable[[], Json], patience_s: float, data: Path) -> Json:
    """Repeats a step with growing pauses until its outcome is not transient or `patience_s` is over.

    A user may end a pause by a file in the folder `data` (`pauses.end_pause`).
    """
    waited_s, pause_s = 0.0, pauses.FIRST_PAUSE_S
    while (outcome := step())["state"] == "transient":
        if waited_s >= patience_s:
            return outcome | {"state": "failed"}
        log.warning("postponed", code=outcome["code"], pause_s=pause_s)
        waited_s += pauses.pause(data, pause_s)
        pause_s = pauses.pause_after(pause_s)
    return outcome


def hand_over(job: Json, outcome: Json, settings: NodeSettings) -> None:
    """Queues a delivery to every destination; a repeated call queues the same ones."""
    segmented = [each for each in outcome.get("series", ()) if each["state"] == "segmented"]
    files = [file for each in segmented for file in each["files"]]
    if not files:
        return
    place = delivery_place(job, outcome, settings)
    for peer in settings.destinations:
        queue_delivery(delivery_of(job["job_id"], peer, files) | {"place": place})


def delivery_of(job_id: str, peer: Peer, files: Sequence[Json]) -> Json:
    """Returns the delivery of those of a job's results that a destination receives."""
    return {
        "job_id": job_id,
        "peer": peer.name,
        "files": [file for file in files if file["kind"] in peer.kinds],
        "captures": [file for file in files if file["kind"] == "sc"],
    }


def queue_delivery(delivery: Json) -> None:
    """Queues a delivery; a repeated call queues the same one."""
    DBOS.enqueue_workflow_with_options(delivery_options(delivery), delivery)


def delivery_options(delivery: Json) -> EnqueueOptions:
    """Returns the options with which a delivery is queued; its `name` is the destination's if it has none.

    Its id begins with the job's, so that all of a job can be found.
    """
    options: EnqueueOptions = {
        "workflow_name": DELIVER,
        "queue_name": delivery_queue(delivery["peer"]),
        "workflow_id": f"{delivery['job_id']}>{delivery.get('name') or delivery['peer']}",
        "app_version": WORKFLOW_VERSION,
    }
    if delivery.get("place"):
        options["priority"] = delivery["place"]
    return options


def delivery_place(job: Json, outcome: Json, settings: NodeSettings) -> int:
    """Returns the priority of a job's deliveries, the smallest first; 0 for all unless findings are urgent.

    It depends on the time at which the study was queued, so that no delivery waits indefinitely.
    """
    if not settings.urgent_findings:
        return 0
    urgency: Urgency = "urgent" if shows_fracture(outcome) else "normal"
    return priority(datetime.fromisoformat(job["made_at"]).timestamp(), urgency)


def define_delivering(
    settings: NodeSettings,
    attempt: Callable[[Json], Attempt],
    confirm: Callable[[Json], Attempt],
    running: Running,
) -> Callable[[Json], Json]:
    """Registers the workflow that delivers results; to be called before DBOS is launched."""

    @DBOS.step(name="attempt")
    def attempt_once(delivery: Json) -> Json:
        return vars(attempt(delivery))

    @DBOS.step(name="confirm")
    def confirm_once(delivery: Json) -> Json:
        return vars(confirm(delivery))

    @DBOS.workflow(name=DELIVER, max_recovery_attempts=None)
    def deliver(delivery: Json) -> Json:
        with running.this():
            sent = retry_step(partial(attempt_once, delivery), settings.delivery_limit_s, settings.data)
            if sent["state"] != "delivered":
                return sent
            if "then" in delivery:
                queue_delivery(delivery["then"])
            confirmed = retry_step(partial(confirm_once, delivery), settings.commitment_s, settings.data)
            return sent if confirmed["state"] == "delivered" else confirmed

    return deliver


def define_repeating(
    name: str, step: str, patience_s: float, attempt: Callable[[Json], Attempt], running: Running, data: Path
) -> Callable[[Json], Json]:
    """Registers the workflow `name`, which repeats one `step`; to be called before DBOS is launched."""

    @DBOS.step(name=step)
    def attempt_once(values: Json) -> Json:
        return vars(attempt(values))

    @DBOS.workflow(name=name, max_recovery_attempts=None)
    def repeat(values: Json) -> Json:
        with running.this():
            return retry_step(partial(attempt_once, values), patience_s, data)

    return repeat
