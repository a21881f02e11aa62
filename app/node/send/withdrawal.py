"""Withdraws the results of a job: a rejection note to every destination that has received them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import get_args

from dbos import DBOSClient, WorkflowStatus

from app.node.peers.destination import Outgoing
from app.node.queue.database import WITHDRAWAL
from app.node.queue.job import Json, job_folder
from app.node.queue.workflow import DELIVER, delivery_options
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
    """Queues a rejection note for each destination that has results, once; returns a sentence.

    Raises UsageError if there is none, or if the results are no longer kept.
    """
    rows = deliveries_of(client, job_id)
    require_received(rows, job_id, data)
    found = in_use(rows)
    if not found:
        raise UsageError("expected a job whose results are in use, they are being withdrawn or were")
    for peer, files in found.items():
        note = withdrawal_of(rows, job_id, peer, files, now)
        client.enqueue(delivery_options(note), note)
    return [f"A rejection note of the results is sent to {', '.join(found)}."]


def deliveries_of(client: DBOSClient, job_id: str) -> list[WorkflowStatus]:
    """Returns the deliveries of a job, oldest first. Raises SQLAlchemyError."""
    rows = client.list_workflows(name=DELIVER, workflow_id_prefix=f"{job_id}>")
    return sorted(rows, key=lambda row: row.created_at or 0)


def require_received(rows: Sequence[WorkflowStatus], job_id: str, data: Path) -> None:
    """Raises UsageError unless a destination has received results, and they are still kept."""
    if not any(map(received_by, rows)):
        raise UsageError("expected a job whose results were delivered, this one has sent none")
    if not job_folder(data, job_id).output.is_dir():
        raise UsageError("expected a job whose results are still kept, they were removed")


def in_use(rows: Sequence[WorkflowStatus]) -> dict[str, list[Json]]:
    """Returns the files that each destination has received and that no rejection note names, by its name."""
    found: dict[str, dict[str, Json]] = defaultdict(dict)
    for row in rows:
        delivery: Json = row.input["args"][0] if row.input else {}
        if WITHDRAWN_AT in delivery:
            for file in delivery["files"]:
                found[delivery["peer"]].pop(file["file"], None)
        elif sent := received_by(row):
            found[sent["peer"]] |= {file["file"]: file for file in sent["files"]}
    return {peer: list(files.values()) for peer, files in found.items() if files}


def withdrawal_of(
    rows: Sequence[WorkflowStatus], job_id: str, peer: str, files: list[Json], now: datetime
) -> Json:
    """Returns the delivery of a rejection note of files that a destination has."""
    name = later_name(rows, peer, WITHDRAWAL)
    return {"job_id": job_id, "peer": peer, "name": name, "files": files, WITHDRAWN_AT: now.isoformat()}


def later_name(rows: Sequence[WorkflowStatus], peer: str, what: str) -> str:
    """Returns the name of the next delivery to a destination that withdraws or corrects what it has."""
    taken = {row.workflow_id.partition(">")[2] for row in rows}
    names = (f"{peer}{what}{f'-{n}' if n > 1 else ''}" for n in count(1))
    return next(name for name in names if name not in taken)


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
    named = (file.with_name(f"{peer}-{kind}-of-{file.name}") for kind in encodings for file in files)
    replaced = [path for path in named if path.exists()]
    path = folder / f"{delivery.get('name', peer)}-{REJECTION}.dcm"
    at = datetime.fromisoformat(delivery[WITHDRAWN_AT])
    name = write_rejection_note([*files, *replaced], at, SOFTWARE_VERSION, path)
    return Outgoing(path, name.sop_class_uid, name.sop_instance_uid, name.transfer_syntax_uid, REJECTION)
