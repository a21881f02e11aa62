"""Sends a corrected result in place of the one that it corrects, to every destination that received that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from dbos import DBOSClient, WorkflowStatus

from app.node.queue.database import CORRECTION, STUDIES, WORKFLOW_VERSION
from app.node.queue.job import Json, correction_folder, job_folder
from app.node.queue.jobs.job_list import require_job
from app.node.queue.jobs.job_log import series_of
from app.node.queue.jobs.job_state import ENDS, UNDER_WAY, end_of_delivery, study_of
from app.node.queue.replacing import REPLACE, REPLACEMENT
from app.node.queue.workflow import SEGMENT
from app.node.send.withdrawal import (
    deliveries_of,
    in_use,
    later_name,
    received_by,
    require_received,
    withdrawal_of,
)
from app.node.settings.configuration import NodeSettings
from app.node.studies.edited_results import EditedResult, filed_edits
from app.node.watch.audit import REPLACED, AuditTrail
from operators.errors import UsageError

# Before the studies that wait: it takes seconds, and somebody waits for it
FIRST = 1


def replace_results(
    client: DBOSClient,
    job_id: str,
    instance: str,
    settings: NodeSettings,
    who: str,
    now: datetime,
    trail: AuditTrail,
) -> list[str]:
    """Queues that a corrected result is sent in place of what destinations have; returns a sentence.

    `instance` is the SOP instance UID of the corrected SEG. Raises UsageError if there is nothing to replace.
    """
    made = next((each for each in filed_edits(settings.data, job_id) if each.instance == instance), None)
    if made is None:
        raise UsageError("expected a corrected result that is filed, there is none of that UID")
    require_ended(client, job_id)
    rows = deliveries_of(client, job_id)
    require_received(rows, job_id, settings.data)
    places = places_of(client, rows, job_id, made, settings, now)
    job_folder(settings.data, job_id).timed_out.unlink(missing_ok=True)
    queue_replacement(client, job_id, made, now, places)
    trail.changed(study_of(job_id), 1, REPLACED, who)
    peers = ", ".join(place["peer"] for place in places)
    return [f"The corrected result is sent to {peers}, each after a rejection note of what it has."]


def queue_replacement(
    client: DBOSClient, job_id: str, made: EditedResult, now: datetime, places: Sequence[Json]
) -> None:
    """Queues the next replacement of a job's results."""
    number = len(replacements(client, job_id)) + 1
    values = {
        "job": job_of(client, job_id),
        "instance": made.instance,
        "corrects": made.corrects,
        "at": now.isoformat(),
        "places": places,
    }
    client.enqueue(
        {
            "workflow_name": REPLACE,
            "queue_name": STUDIES,
            "workflow_id": f"{job_id}{REPLACEMENT}{number}",
            "app_version": WORKFLOW_VERSION,
            "priority": FIRST,
        },
        values,
    )


def require_ended(client: DBOSClient, job_id: str) -> None:
    """Raises UsageError while results of the job are still made or sent."""
    state = require_job(client, job_id).state
    if state not in ENDS:
        raise UsageError(f"expected a job that has ended, this one is {state}")
    if any(row.status in UNDER_WAY for row in replacements(client, job_id)):
        raise UsageError("expected one corrected result at a time, another one is being sent")


def places_of(
    client: DBOSClient,
    rows: Sequence[WorkflowStatus],
    job_id: str,
    made: EditedResult,
    settings: NodeSettings,
    now: datetime,
) -> list[Json]:
    """Returns for each destination that received results of the corrected series what it is sent.

    Raises UsageError if there is none, or if all have this corrected result already.
    """
    outcomes = series_of(client, job_id)
    own = next((each.files for each in outcomes if made.corrects in each.files), ())
    edits = [each for each in filed_edits(settings.data, job_id) if each.corrects == made.corrects]
    before = (*own, *(correction_folder(each.instance) for each in edits))
    now_used = in_use(rows)
    places = []
    for peer in settings.destinations:
        used = now_used.get(peer.name, [])
        # A receiver of reports has one report, on all series
        files = [file for file in used if peer.report or file["file"].startswith(before)]
        had = (sent for row in rows if (sent := received_by(row)) and sent["peer"] == peer.name)
        if not any(file["file"].startswith(before) for sent in had for file in sent["files"]):
            continue
        if any(file["file"].startswith(correction_folder(made.instance)) for file in files):
            continue
        kept = [file for file in files if not file["file"].startswith(before)]
        note = withdrawal_of(rows, job_id, peer.name, files, now) if files else None
        name = later_name(rows, peer.name, CORRECTION)
        places.append({"peer": peer.name, "name": name, "note": note, "kept": kept})
    if not places:
        raise UsageError("expected a destination that has the results before, there is none")
    return places


def job_of(client: DBOSClient, job_id: str) -> Json:
    """Returns a job as it was queued."""
    (row,) = client.list_workflows(name=SEGMENT, workflow_ids=[job_id], load_output=False)
    values: Json = row.input["args"][0] if row.input else {}
    return values


def replacements(client: DBOSClient, job_id: str) -> list[WorkflowStatus]:
    """Returns the replacements of a job's results. Raises SQLAlchemyError."""
    return client.list_workflows(name=REPLACE, workflow_id_prefix=f"{job_id}{REPLACEMENT}")


def told_replacements(client: DBOSClient, job_id: str) -> dict[str, str]:
    """Returns what became of each corrected result that was sent, in words, by its SOP instance UID."""
    rows = deliveries_of(client, job_id)
    return {
        row.input["args"][0]["instance"]: told(row, rows) for row in replacements(client, job_id) if row.input
    }


def told(row: WorkflowStatus, rows: Sequence[WorkflowStatus]) -> str:
    """Returns what became of one replacement."""
    assert row.input is not None
    if row.status in UNDER_WAY:
        return "its results are being made"
    if row.status != "SUCCESS" or not row.output or row.output["state"] != "segmented":
        sentence = row.output["sentence"] if row.status == "SUCCESS" and row.output else "it was cut off"
        return f"not sent: {sentence}"
    values, used = row.input["args"][0], in_use(rows)
    known = {each.workflow_id.partition(">")[2]: each for each in rows}
    own = correction_folder(values["instance"])
    return "; ".join(told_place(place, known, used.get(place["peer"], ()), own) for place in values["places"])


def told_place(place: Json, known: Mapping[str, WorkflowStatus], used: Sequence[Json], folder: str) -> str:
    """Returns what became of a replacement at one destination; `known` are its job's deliveries by name."""
    note, later = known.get(place["note"]["name"] if place["note"] else ""), known.get(place["name"])
    state, _, sentence = end_of_delivery(later or note) if later or note else ("delivering", "", "")
    if state == "delivering" or (state == "delivered" and later is None):
        what = "the rejection note is being sent" if later is None else "being sent"
    elif state != "delivered":
        what = (
            f"{state}: {sentence}" if later else f"not sent, as the rejection note was not taken: {sentence}"
        )
    elif any(file["file"].startswith(folder) for file in used):
        what = "in place of the results before"
    else:
        what = "withdrawn since"
    return f"{place['peer']}: {what}"


def receivers(client: DBOSClient, job_id: str) -> list[str]:
    """Returns the destinations that have received results of a job."""
    found = (sent["peer"] for row in deliveries_of(client, job_id) if (sent := received_by(row)))
    return list(dict.fromkeys(found))
