"""The time limit of a study: the node kills a worker that exceeds it, so that other studies are not blocked.

Native code cannot be ended otherwise, and a worker that hangs cannot end itself.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import structlog

from app.node.queue.job import Json, job_folder
from app.node.queue.replacing import Corrects
from app.node.queue.workflow import Segments
from app.node.settings.configuration import NodeSettings
from app.node.watch.heartbeat import SPAWN
from app.node.watch.process import InHand, ServicePart
from operators.errors import OsteonError

log = structlog.get_logger()

# A job's id is a UID (64), a hyphen and a fingerprint (16).
JOB_ID_BYTES = 128


class StudyError(OsteonError):
    """The study took longer than its time limit."""

    code = "time_limit"


class Deadline:
    """The study of a worker and the time by which it must end, in memory shared with the node.

    There is no lock, as a killed worker would keep it.
    """

    def __init__(self) -> None:
        self.process_id = SPAWN.RawValue(ctypes.c_int)
        self.until_s = SPAWN.RawValue(ctypes.c_double)
        self.job_id = SPAWN.RawArray(ctypes.c_char, JOB_ID_BYTES)

    @contextmanager
    def of(self, job_id: str, until_s: float) -> Iterator[None]:
        """Sets the deadline within the context; `until_s` is of the system's monotonic clock."""
        self.job_id.value, self.until_s.value = job_id.encode(), until_s
        self.process_id.value = os.getpid()
        try:
            yield
        finally:
            self.process_id.value = 0

    def is_of(self, process_id: int) -> bool:
        """Returns whether that process is working on a study."""
        return bool(self.process_id.value == process_id)

    def passed(self, process_id: int, now_s: float) -> str:
        """Returns the job whose deadline that process has exceeded, or ''."""
        is_over = self.is_of(process_id) and now_s > self.until_s.value
        return self.job_id.value.decode() if is_over else ""


@dataclass
class Worker(ServicePart):
    """A worker that is killed when its deadline has passed; its successor then fails the job."""

    data: Path = Path()
    deadline: Deadline = field(default_factory=Deadline)

    def look_after(self, now_s: float) -> None:
        """Restarts the worker like any part. Raises OSError if the reason cannot be written to disk."""
        if self.is_well and (job_id := self.deadline.passed(self.process.pid, now_s)):
            log.error("study_time_limit", job=job_id)
            try:
                job_folder(self.data, job_id).timed_out.touch()
            finally:
                self.process.kill()
                self.process.join()
        super().look_after(now_s)

    def is_stuck(self, now_s: float) -> bool:
        """Returns whether the worker is stuck; during a study it may be silent until its deadline."""
        return super().is_stuck(now_s) and not self.deadline.is_of(self.process.pid)


class Steps(Segments, Corrects, Protocol):
    """All steps of a worker."""


class TimeLimited:
    """A segmenter with a deadline for every study."""

    def __init__(
        self,
        inner: Steps,
        settings: NodeSettings,
        in_hand: InHand,
        deadline: Deadline,
        stage_seconds: Any,
        step_seconds: Any,
    ) -> None:
        self.inner, self.settings, self.in_hand, self.deadline = inner, settings, in_hand, deadline
        self.stage_seconds, self.step_seconds = stage_seconds, step_seconds
        self.begun_s: tuple[str, float] = ("", 0.0)

    def decide(self, values: Json) -> Json:
        """Decides within the time limit. Raises StudyError, as `segment` does, once the time is over."""
        with self.limited(values["job_id"]), self.step_seconds.labels("decide").time():
            return self.inner.decide(values)

    def segment(self, values: Json, numbers: Sequence[int]) -> Json:
        """Segments within the time limit and records the seconds of each stage."""
        with self.limited(values["job_id"]), self.step_seconds.labels("segment").time():
            result = self.inner.segment(values, numbers)
        for stage, took_s in result.get("seconds", {}).items():
            self.stage_seconds.labels(stage).observe(took_s)
        return result

    def correct(self, values: Json) -> Json:
        """Makes the results of a corrected SEG within the time limit."""
        self.begun_s = ("", 0.0)
        with self.limited(values["job"]["job_id"]), self.step_seconds.labels("correct").time():
            return self.inner.correct(values)

    @contextmanager
    def limited(self, job_id: str) -> Iterator[None]:
        """Limits a step of a job; the times of all its steps are added up."""
        # Its worker was killed
        if job_folder(self.settings.data, job_id).timed_out.exists():
            limit_s = self.settings.study_limit_s
            raise StudyError(f"expected the study to be segmented within {limit_s:.0f} s, it took longer")
        if self.begun_s[0] != job_id:
            self.begun_s = (job_id, time.monotonic())
        until_s = self.begun_s[1] + self.settings.study_limit_s
        with self.in_hand.work(), self.deadline.of(job_id, until_s):
            yield
