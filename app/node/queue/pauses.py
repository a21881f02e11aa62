"""Pauses between the tries of a workflow: how long they are, and how a person ends one.

A person's request is a file in the job's folder, which every machine sees. It holds the number of the
workflow's step that is to end, so that it outlives a restart, and ends no later pause.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from dbos import DBOS

from app.node.queue.job import job_folder
from app.node.watch.backoff import Backoff

# By the name of DBOS's own, so that work begun with that goes on
STEP = "DBOS.sleep"
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 600.0
# How often a pause looks for a request: a person waits for it
LOOK_S = 1.0


def pause_after(seconds: float) -> float:
    """The length of the pause that follows one of `seconds`."""
    return Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S).after(seconds)


def pause(data: Path, seconds: float) -> float:
    """The seconds that were waited; not made again once it is over.

    DBOS's own pause lasts until a time of day, and the clock may be set back.
    """
    waited_s = DBOS.run_step({"name": STEP}, wait_here, data, seconds)
    # Pauses that an earlier release has recorded say nothing
    return seconds if waited_s is None else waited_s


def wait_here(data: Path, seconds: float) -> float:
    """The pause of the workflow and step that this is."""
    return wait(seconds, request_file(data, str(DBOS.workflow_id)), int(DBOS.step_id or 0))


def wait(seconds: float, request: Path, step: int) -> float:
    """Waits until the time is over, or `request` asks for the end of this step; the seconds waited."""
    began_s = time.monotonic()
    while (left_s := seconds - (time.monotonic() - began_s)) > 0 and requested_step(request) < step:
        time.sleep(min(LOOK_S, left_s))
    return min(seconds, time.monotonic() - began_s)


def request_file(data: Path, workflow_id: str) -> Path:
    """Where a person's request lies; `workflow_id` is a job's, or a delivery's of that job."""
    job_id, _, peer_name = workflow_id.partition(">")
    return job_folder(data, job_id).root / (f"send-now-{peer_name}" if peer_name else "go-on-now")


def requested_step(request: Path) -> int:
    """The step up to which pauses end; -1 where nobody asked."""
    try:
        return int(request.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return -1


def end_pause(data: Path, workflow_id: str, step: int) -> None:
    """Asks for the end of the pause that is step number `step` of a workflow."""
    request = request_file(data, workflow_id)
    request.parent.mkdir(parents=True, exist_ok=True)
    part = request.with_name(f"{request.name}.{os.getpid()}.part")
    part.write_text(str(step), encoding="ascii")
    part.replace(request)


def forget_request(data: Path, workflow_id: str) -> None:
    """For a workflow whose steps are counted anew."""
    request_file(data, workflow_id).unlink(missing_ok=True)
