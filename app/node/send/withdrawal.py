"""Withdraws the results of a job: a rejection note to every destination that has received them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import get_args

from dbos import DBOSClient, WorkflowStatus

from app.node.peers.destination import Outgoing
from app.node.queue.database import WITHDRAWAL, WORKFLOW_VERSION, delivery_queue
from app.node.queue.job import Json, job_folder
from app.node.queue.workflow import DELIVER
from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import FallbackEncoding
from app.settings import SOFTWARE_VERSION
from operators.errors import UsageError

# The kind of file, and the key of a delivery that withdraws: the time of the rejection
REJECTION, WITHDRAWN_AT = "rejection", "withdrawn_at"
WITHDRAWN = "withdrawn"
# The code of a delivery of which the peer has not accepted everything
NOT_TAKEN = "not_taken"


def withdraw(client: DBOSClient, job_id: str, data: Path, now: datetime) -> list[str]:
    """Queues a rejection note for each destination that has received results, once; returns a sentence.

    Raises UsageError if there is none, or if the results are no longer kept.
    """
    rows = client.list_workflows(name=DELIVER, workflow_id_prefix=f"{job_id}>")
    known = {row.workflow_id for row in rows}
    received = {row.workflow_id: sent for row in rows if (sent := received_by(row))}
    if not received:
        raise UsageError("expected a job whose results were delivered, this one has sent none")
    if known & {f"{name}{WITHDRAWAL}" for name in received}:
        raise UsageError("expected a job whose results are in use, they are being withdrawn or were")
    if not job_folder(data, job_id).output.is_dir():
        raise UsageError("expected a job whose results are still kept, they were removed")
    for name, delivery in received.items():
        client.enqueue(
            {
                "workflow_name": DELIVER,
                "queue_name": delivery_queue(delivery["peer"]),
                "workflow_id": f"{name}{WITHDRAWAL}",
                "app_version": WORKFLOW_VERSION,
            },
            delivery | {WITHDRAWN_AT: now.isoformat()},
        )
    peers = ", ".join(delivery["peer"] for delivery in received.values())
    return [f"A rejection note of the results is sent to {peers}."]


def received_by(row: WorkflowStatus) -> Json | None:
    """Returns a delivery that has ended with results at its destination, with all that may be there."""
    if row.status != "SUCCESS" or not row.input or not row.output or row.output["state"] != "delivered":
        return None
    delivery: Json = row.input["args"][0]
    if WITHDRAWN_AT in delivery or not delivery["files"]:
        return None
    captures = delivery.get("captures", []) if row.output["code"] == NOT_TAKEN else []
    return delivery | {"files": [*delivery["files"], *captures]}


def rejection_of(delivery: Json, settings: NodeSettings) -> Outgoing:
    """Writes the note of what a delivery has sent, with what replaced a SEG. Raises OutputError."""
    from operators.dicom.capture.rejection_note import write_rejection_note

    folder, peer = job_folder(settings.data, delivery["job_id"]).output, delivery["peer"]
    files = list(dict.fromkeys(folder / file["file"] for file in delivery["files"]))
    encodings = get_args(FallbackEncoding)
    replaced = sorted(path for kind in encodings for path in folder.rglob(f"{peer}-{kind}-of-*.dcm"))
    path = folder / f"{peer}-{REJECTION}.dcm"
    at = datetime.fromisoformat(delivery[WITHDRAWN_AT])
    name = write_rejection_note([*files, *replaced], at, SOFTWARE_VERSION, path)
    return Outgoing(path, name.sop_class_uid, name.sop_instance_uid, name.transfer_syntax_uid, REJECTION)
