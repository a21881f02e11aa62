"""How often a workflow's present step was tried, why it is postponed, and when it is tried again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dbos import DBOSClient

from app.node.queue import pauses


@dataclass(frozen=True)
class Attempts:
    """`count` tries that were transient; `pause_step` and `next_ms` are 0 while another is being made."""

    count: int = 0
    code: str = ""
    sentence: str = ""
    pause_step: int = 0
    next_ms: int = 0


def attempts_of(client: DBOSClient, row: Any) -> Attempts:
    """Counts the attempts of a workflow under way from the steps that it has recorded."""
    return counted(client.list_workflow_steps(row.workflow_id), row.dequeued_at or 0)


def counted(steps: Sequence[Mapping[str, Any]], begun_ms: int) -> Attempts:
    """`begun_ms`: when a process took the workflow up; a pause that was cut off by its end begins anew."""
    found, pause_s = Attempts(), pauses.FIRST_PAUSE_S
    for step in steps:
        if step["function_name"] == pauses.STEP:
            found, pause_s = replace(found, pause_step=0, next_ms=0), pauses.pause_after(pause_s)
        elif is_transient(step["output"]):
            ended_ms = max(step["completed_at_epoch_ms"] or 0, begun_ms)
            outcome = step["output"]
            found = Attempts(
                found.count + 1,
                outcome["code"],
                outcome["sentence"],
                step["function_id"] + 1,
                ended_ms + int(pause_s * 1000),
            )
        else:
            found, pause_s = Attempts(), pauses.FIRST_PAUSE_S
    return found


def is_transient(outcome: Any) -> bool:
    """Whether a step is to be tried again."""
    return isinstance(outcome, Mapping) and outcome.get("state") == "transient"
