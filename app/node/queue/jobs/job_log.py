"""What was done for a job: its durable steps with their outcomes, and what became of each series."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dbos import DBOSClient

from app.node.queue import pauses
from app.node.queue.findings import Finding
from app.node.queue.replacing import REPLACE
from app.node.queue.workflow import DELIVER, SEGMENT

# Steps of DBOS itself, such as queueing a delivery
OWN = "DBOS."
PICTURE, SEG, KEY_OBJECTS = "sc", "seg", "kos"


@dataclass(frozen=True)
class Step:
    """A finished step of a job or, if `peer` is given, of its delivery; times are of the day."""

    name: str
    began_ms: int
    ended_ms: int
    peer: str = ""
    state: str = ""
    code: str = ""
    sentence: str = ""


@dataclass(frozen=True)
class SeriesOutcome:
    """What became of one series: its state and reason, or its finding and the results.

    `kinds` are the kinds of the `files`, rows of RESULTS; `report` is the file that describes the result, ''
    for one of an earlier version.
    """

    series_instance_uid: str
    state: str
    code: str
    sentence: str
    finding: str
    files: tuple[str, ...]
    kinds: tuple[str, ...]
    seconds: Mapping[str, float]
    report: str = ""

    def of_kind(self, kind: str) -> tuple[str, ...]:
        """Returns the files of a kind, such as secondary captures."""
        return tuple(file for file, own in zip(self.files, self.kinds, strict=True) if own == kind)


def steps_of(client: DBOSClient, job_id: str) -> list[Step]:
    """Returns the steps of a job and its deliveries in the order of time. Raises SQLAlchemyError."""
    rows = client.list_workflows(
        name=[SEGMENT, REPLACE, DELIVER], workflow_id_prefix=[job_id], load_input=False, load_output=False
    )
    found = [step for row in rows for step in _steps(client, row.workflow_id)]
    return sorted(found, key=lambda step: step.began_ms)


def _steps(client: DBOSClient, workflow_id: str) -> Iterator[Step]:
    for step in client.list_workflow_steps(workflow_id):
        if step["function_name"].startswith(OWN) or step["function_name"] == pauses.STEP:
            continue
        outcome = step["output"] if isinstance(step["output"], Mapping) else {}
        yield Step(
            step["function_name"],
            step["started_at_epoch_ms"] or 0,
            step["completed_at_epoch_ms"] or 0,
            workflow_id.partition(">")[2],
            *(str(outcome.get(key, "")) for key in ("state", "code", "sentence")),
        )


def series_of(client: DBOSClient, job_id: str) -> list[SeriesOutcome]:
    """Returns the outcome of each series of a finished job; [] before. Raises SQLAlchemyError."""
    rows = client.list_workflows(name=SEGMENT, workflow_ids=[job_id], status="SUCCESS", load_input=False)
    outcome = rows[0].output if rows else None
    found = outcome.get("series", ()) if isinstance(outcome, Mapping) else ()
    return [_series(each) for each in found]


def _series(each: Mapping[str, Any]) -> SeriesOutcome:
    missing = "; ".join(result["sentence"] for result in each.get("missing", ()))
    return SeriesOutcome(
        each.get("series_instance_uid", ""),
        each["state"],
        each.get("code", ""),
        each.get("sentence", "") or missing,
        str(Finding(**each["finding"])) if each.get("finding") else "",
        tuple(file["file"] for file in each.get("files", ())),
        tuple(file["kind"] for file in each.get("files", ())),
        each.get("seconds", {}),
        each.get("report", ""),
    )
