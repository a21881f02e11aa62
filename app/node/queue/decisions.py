"""Conflicts between versions of instances, which a person decides; each is a database row without a process.

`osteon jobs accept ID` uses the later versions, `osteon jobs dismiss ID` keeps the earlier ones; the
dispatcher carries out the decision at its next look.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dbos import DBOSClient

from app.node.queue.job import Json

# Only some of the images that belong together were sent again, so they cannot be accepted
INCOMPLETE = "incomplete_correction"
CONFLICT, CONFLICTS_QUEUE = "decide_conflict", "conflicts"
# States of a conflict by its decision; '' as long as there is none
STATE_OF: dict[str, str] = {
    "": "conflict", "accept": "accepted", "dismiss": "dismissed", "superseded": "superseded",
}  # fmt: skip
SENTENCE_OF: dict[str, str] = {
    "accept": "the later versions are used",
    "dismiss": "the earlier versions are kept",
    "superseded": "other versions were received, or these are already in use",
}


@dataclass(frozen=True)
class Conflict:
    """Files in `conflicts` that belong together, and the reason why a person must decide about them.

    `others` are further files that existed when the conflict was opened; accepting `versions` rejects them.
    """

    conflict_id: str
    study: str
    versions: tuple[str, ...]
    code: str
    sentence: str
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class DecisionRow:
    """A conflict in the database; `others` is None if an earlier version of Osteon opened it."""

    conflict_id: str
    versions: tuple[str, ...]
    decision: str
    is_open: bool
    others: tuple[str, ...] | None = None

    @property
    def study(self) -> str:
        """Returns the study's UID."""
        return self.conflict_id.rpartition("-")[0]


def open_conflict(client: DBOSClient, conflict: Conflict) -> None:
    """Adds a row for a conflict unless it exists already."""
    client.enqueue(
        {
            "workflow_name": CONFLICT,
            "queue_name": CONFLICTS_QUEUE,
            "workflow_id": conflict.conflict_id,
            "attributes": {"code": conflict.code, "sentence": conflict.sentence, "decision": ""},
        },
        {"study": conflict.study, "versions": list(conflict.versions), "others": list(conflict.others)},
    )


def rows(client: DBOSClient, study: str | None = None, only_open: bool = False) -> list[DecisionRow]:
    """Returns all conflicts, or those of one study."""
    found = client.list_workflows(
        name=CONFLICT,
        status="ENQUEUED" if only_open else None,
        load_output=False,
        workflow_id_prefix=None if study is None else f"{study}-",
    )
    return [row_of(each) for each in found]


def row_of(row: Any) -> DecisionRow:
    """Converts a row of the database."""
    asked = row.input["args"][0] if row.input else {"versions": ()}
    decision = str((row.attributes or {}).get("decision", ""))
    others = tuple(asked["others"]) if "others" in asked else None
    return DecisionRow(row.workflow_id, tuple(asked["versions"]), decision, row.status == "ENQUEUED", others)


def decide(client: DBOSClient, conflict_id: str, decision: str) -> None:
    """Records a decision, which is not carried out yet."""
    client.update_workflow_attributes(conflict_id, {"decision": decision}, merge=True)


def close(client: DBOSClient, conflict_id: str, decision: str) -> None:
    """Closes a conflict whose decision has been carried out."""
    decide(client, conflict_id, decision)
    client.cancel_workflow(conflict_id)


def outcome_of(row: Any) -> Json:
    """Returns state, code and sentence of a row."""
    attributes = row.attributes or {}
    decision = str(attributes.get("decision", ""))
    sentence = SENTENCE_OF.get(decision, attributes.get("sentence", ""))
    return {"state": STATE_OF[decision], "code": attributes.get("code", ""), "sentence": sentence}
