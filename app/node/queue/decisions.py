"""Versions of instances of which a person decides: a row of the database each, that no process works off.

`osteon jobs accept ID` brings the later versions into use, `osteon jobs dismiss ID` keeps the former ones;
whoever queues studies carries it out at its next look.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dbos import DBOSClient

from app.node.queue.job import Json

# Of the images that belong together only some came again: nobody can bring these into use
INCOMPLETE = "incomplete_correction"
CONFLICT, CONFLICTS_QUEUE = "decide_conflict", "conflicts"
# States of a conflict by what was decided; '' as long as nothing is
STATE_OF: dict[str, str] = {
    "": "conflict", "accept": "accepted", "dismiss": "dismissed", "superseded": "superseded",
}  # fmt: skip
SENTENCE_OF: dict[str, str] = {
    "accept": "the later versions are used",
    "dismiss": "the former versions are kept",
    "superseded": "other versions came, or they are used already",
}


@dataclass(frozen=True)
class Conflict:
    """Names of files in `conflicts` that belong together, and why nobody but a person can decide.

    `others` were there too when the question was put: they are not wanted where these versions are.
    """

    conflict_id: str
    study: str
    versions: tuple[str, ...]
    code: str
    sentence: str
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class DecisionRow:
    """A conflict as it stands in the database; `others` is None where an earlier version of Osteon put it."""

    conflict_id: str
    versions: tuple[str, ...]
    decision: str
    is_open: bool
    others: tuple[str, ...] | None = None

    @property
    def study(self) -> str:
        """The study."""
        return self.conflict_id.rpartition("-")[0]


def open_conflict(client: DBOSClient, conflict: Conflict) -> None:
    """Adds a row for a conflict, unless it is there already."""
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
    """All conflicts, or those of a study."""
    found = client.list_workflows(
        name=CONFLICT,
        status="ENQUEUED" if only_open else None,
        load_output=False,
        workflow_id_prefix=None if study is None else f"{study}-",
    )
    return [row_of(each) for each in found]


def row_of(row: Any) -> DecisionRow:
    """From the database."""
    asked = row.input["args"][0] if row.input else {"versions": ()}
    decision = str((row.attributes or {}).get("decision", ""))
    others = tuple(asked["others"]) if "others" in asked else None
    return DecisionRow(row.workflow_id, tuple(asked["versions"]), decision, row.status == "ENQUEUED", others)


def decide(client: DBOSClient, conflict_id: str, decision: str) -> None:
    """Says what is to be done; it is not done yet."""
    client.update_workflow_attributes(conflict_id, {"decision": decision}, merge=True)


def close(client: DBOSClient, conflict_id: str, decision: str) -> None:
    """It is done."""
    decide(client, conflict_id, decision)
    client.cancel_workflow(conflict_id)


def outcome_of(row: Any) -> Json:
    """State, code and sentence of a row."""
    said = row.attributes or {}
    decision = str(said.get("decision", ""))
    sentence = SENTENCE_OF.get(decision, said.get("sentence", ""))
    return {"state": STATE_OF[decision], "code": said.get("code", ""), "sentence": sentence}
