"""Pauses between the attempts of a workflow, and how a user ends one early.

A user's request is a file in the job's folder, which every machine sees. It holds the number of the workflow
step to end, so that it survives a restart and does not end a later pause.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from dbos import DBOS

from app.node.queue.job import job_folder
from app.node.watch.backoff import Backoff

# The name of DBOS's own pause, so that work begun with that continues
STEP = "DBOS.sleep"
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 600.0
# Interval for looking for a request; short, as a user waits for it
LOOK_S = 1.0


def pause_after(seconds: float) -> float:
    """Returns the length of the pause that follows one of `seconds`."""
    return Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S).after(seconds)


def pause(data: Path, seconds: float) -> float:
    """Pauses the workflow and returns the seconds waited; a pause that is over is not repeated.

    DBOS's own pause ends at a time of day, but the clock may be set back.
    """
    waited_s = DBOS.run_step({"name": STEP}, wait_here, data, seconds)
    # An earlier release recorded no duration
    return seconds if waited_s is None else waited_s


def wait_here(data: Path, seconds: float) -> float:
    """Waits in the current workflow and step; returns the seconds waited."""
    return wait(seconds, request_file(data, str(DBOS.workflow_id)), int(DBOS.step_id or 0))


def wait(seconds: float, request: Path, step: int) -> float:
    """Waits until the time is over or `request` asks to end this step; returns the seconds waited."""
    began_s = time.monotonic()
    while (left_s := seconds - (time.monotonic() - began_s)) > 0 and requested_step(request) < step:
        time.sleep(min(LOOK_S, left_s))
    return min(seconds, time.monotonic() - began_s)


def request_file(data: Path, workflow_id: str) -> Path:
    """Returns the path of a user's request; `workflow_id` is that of a job or of one of its deliveries."""
    job_id, _, peer_name = workflow_id.partition(">")
    return job_folder(data, job_id).root / (f"send-now-{peer_name}" if peer_name else "go-on-now")


def requested_step(request: Path) -> int:
    """Returns the step up to which pauses are to end, or -1 if nobody asked."""
    try:
        return int(request.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return -1


def end_pause(data: Path, workflow_id: str, step: int) -> None:
    """Requests the end of the pause that is step number `step` of a workflow."""
    request = request_file(data, workflow_id)
    request.parent.mkdir(parents=True, exist_ok=True)
    part = request.with_name(f"{request.name}.{os.getpid()}.part")
    part.write_text(str(step), encoding="ascii")
    part.replace(request)
