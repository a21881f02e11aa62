"""Reads how often a workflow's current step was tried, why it is postponed, and when it is retried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dbos import DBOSClient

from app.node.queue import pauses


@dataclass(frozen=True)
class Attempts:
    """The failed attempts of a step; `pause_step` and `next_ms` are 0 while another attempt is running."""

    count: int = 0
    code: str = ""
    sentence: str = ""
    pause_step: int = 0
    next_ms: int = 0


def attempts_of(client: DBOSClient, row: Any) -> Attempts:
    """Counts the failed attempts of a running workflow from its recorded steps."""
    return counted(client.list_workflow_steps(row.workflow_id), row.dequeued_at or 0)


def counted(steps: Sequence[Mapping[str, Any]], begun_ms: int) -> Attempts:
    """Counts the failed attempts in the recorded steps.

    `begun_ms` is when a process took up the workflow; a pause that a restart interrupted starts over.
    """
    found, pause_s = Attempts(), pauses.FIRST_PAUSE_S
    for step in steps:
        if step["function_name"] == pauses.STEP:
            found, pause_s = replace(found, pause_step=0, next_ms=0), pauses.pause_after(pause_s)
        elif isinstance(outcome := step["output"], Mapping) and outcome.get("state") == "transient":
            ended_ms = max(step["completed_at_epoch_ms"] or 0, begun_ms)
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
