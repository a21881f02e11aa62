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

from app.library_messages import defect_values
from app.node.queue import pauses
from app.node.queue.abandoned import Running
from app.node.queue.database import REPORT, WORKFLOW_VERSION, delivery_queue
from app.node.queue.findings import shows_fracture
from app.node.queue.job import Json, priority
from app.node.settings.configuration import NodeSettings, Urgency
from operators.dicom.select.reading_order import read_in_turn
from operators.errors import (
    DEFECT,
    OsteonError,
    OutputError,
    TransientError,
    UnsuitableError,
    as_osteon_error,
)

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
        ...

    def segment(self, values: Json, numbers: Sequence[int]) -> Json:
        """Segments one series, of which these are the candidates."""
        ...


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


def read_all(plan: Json, segment: Callable[[list[int]], Json]) -> list[Json]:
    """Returns the outcomes of all series that were read, then of those that a better one made unnecessary."""
    # Plans of earlier versions have no candidates, or do not name their series
    candidates = plan.get("candidates") or [{"better": []}] * plan["selected"]
    outcomes: list[Json] = []

    def read(group: list[int]) -> dict[int, bool]:
        outcomes.append(outcome := segment(group))
        found = outcome.get("found", group)
        return {each: outcome["state"] != "refused" and each in found for each in group}

    series = [candidate.get("series", number) for number, candidate in enumerate(candidates)]
    passed = read_in_turn(series, [candidate["better"] for candidate in candidates], read)
    return outcomes + [skipped(candidates[each], candidates[best]) for each, best in passed.items()]


def skipped(candidate: Json, best: Json) -> Json:
    """Returns the outcome of a series that was not read because a better one shows the same."""
    return {"state": "refused", "series_instance_uid": candidate["series_instance_uid"], **best["rivals"]}


def name_failure(job: Json, step: Callable[[], Json]) -> Json:
    """Runs a step and turns every error into an outcome."""
    try:
        return step()
    except Exception as error:
        known = as_osteon_error(error)
        if known is not None:
            return outcome_of_error(known)
        log.error("study_failed", job=job["job_id"], **defect_values(error))
        return {"state": "failed", "code": OsteonError.code, "sentence": DEFECT}


def outcome_of_error(error: OsteonError) -> Json:
    """Returns the outcome for an error: refused if unsuitable, transient if it may pass, otherwise failed."""
    families: tuple[tuple[type[OsteonError], str], ...] = (
        (UnsuitableError, "refused"),
        (TransientError, "transient"),
        (OutputError, "transient"),
        (OsteonError, "failed"),
    )
    state = next(name for family, name in families if isinstance(error, family))
    return {"state": state, "code": error.code, "sentence": str(error)}


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


def summarise_outcomes(series: list[Json]) -> Json:
    """Returns a study's outcome: segmented if any series is, with the missing results, else the worst one."""
    if any(each["state"] == "segmented" for each in series):
        missing = [result for each in series for result in each.get("missing", ())]
        sentence = "; ".join(dict.fromkeys(result["sentence"] for result in missing))
        code = missing[0]["code"] if missing else ""
        return {"state": "segmented", "code": code, "sentence": sentence, "series": series}
    worst = next((each for each in series if each["state"] == "failed"), series[0])
    return {key: worst[key] for key in ("state", "code", "sentence")} | {"series": series}


def hand_over(job: Json, outcome: Json, settings: NodeSettings) -> None:
    """Queues a delivery to every destination; a repeated call queues the same ones."""
    segmented = [each for each in outcome.get("series", ()) if each["state"] == "segmented"]
    files = [file for each in segmented for file in each["files"]]
    if not files:
        return
    place = delivery_place(job, outcome, settings)
    for peer in settings.destinations:
        options: EnqueueOptions = {
            "workflow_name": DELIVER,
            "queue_name": delivery_queue(peer.name),
            "workflow_id": delivery_id(job["job_id"], peer.name),
            "app_version": WORKFLOW_VERSION,
        }
        if place:
            options["priority"] = place
        delivery = {
            "job_id": job["job_id"],
            "peer": peer.name,
            "files": [file for file in files if file["kind"] in peer.results],
            "captures": [file for file in files if file["kind"] == "sc"],
            "place": place,
        }
        DBOS.enqueue_workflow_with_options(options, delivery)


def delivery_place(job: Json, outcome: Json, settings: NodeSettings) -> int:
    """Returns the priority of a job's deliveries, the smallest first; 0 for all unless findings are urgent.

    It depends on the time at which the study was queued, so that no delivery waits indefinitely.
    """
    if not settings.urgent_findings:
        return 0
    urgency: Urgency = "urgent" if shows_fracture(outcome) else "normal"
    return priority(datetime.fromisoformat(job["made_at"]).timestamp(), urgency)


def delivery_id(job_id: str, peer_name: str) -> str:
    """Returns the id of a delivery, which begins with the job's id so that all of a job can be found."""
    return f"{job_id}>{peer_name}"


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
            confirmed = retry_step(partial(confirm_once, delivery), settings.commitment_s, settings.data)
            return sent if confirmed["state"] == "delivered" else confirmed

    return deliver


def define_reporting(
    settings: NodeSettings, report: Callable[[Json], Attempt], running: Running
) -> Callable[[Json], Json]:
    """Registers the workflow that reports storage commitment; to be called before DBOS is launched."""

    @DBOS.step(name="report")
    def report_once(owed: Json) -> Json:
        return vars(report(owed))

    @DBOS.workflow(name=REPORT, max_recovery_attempts=None)
    def report_commitment(owed: Json) -> Json:
        with running.this():
            return retry_step(partial(report_once, owed), settings.commitment_s, settings.data)

    return report_commitment


def define_notifying(
    settings: NodeSettings, send: Callable[[Json], Attempt], running: Running
) -> Callable[[Json], Json]:
    """Registers the workflow that sends notices; to be called before DBOS is launched."""

    @DBOS.step(name="notify")
    def notify_once(notice: Json) -> Json:
        return vars(send(notice))

    @DBOS.workflow(name=NOTICE, max_recovery_attempts=None)
    def send_notice(notice: Json) -> Json:
        with running.this():
            return retry_step(partial(notify_once, notice), NOTICE_PATIENCE_S, settings.data)

    return send_notice
