"""No study holds up the others for ever: a worker that hangs over one ends itself and is started anew."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from app.node.configuration import NodeSettings
from app.node.job import Json, job_folder
from app.node.process import InHand
from app.node.workflow import Segments

log = structlog.get_logger()

EXIT_TIME_LIMIT = 75


class TimeLimited:
    """A segmenter whose every study has a deadline; native code can be ended in no other way."""

    def __init__(
        self, inner: Segments, settings: NodeSettings, in_hand: InHand, stage_seconds: Any, step_seconds: Any
    ) -> None:
        self.inner, self.settings, self.in_hand = inner, settings, in_hand
        self.stage_seconds, self.step_seconds = stage_seconds, step_seconds
        self.begun_s: tuple[str, float] = ("", 0.0)

    def decide(self, values: Json) -> Json:
        """As the inner one."""
        with self.limited(values["job_id"]), self.step_seconds.labels("decide").time():
            return self.inner.decide(values)

    def segment(self, values: Json, number: int) -> Json:
        """As the inner one; stages are counted."""
        with self.limited(values["job_id"]), self.step_seconds.labels("segment").time():
            result = self.inner.segment(values, number)
        for stage, took_s in result.get("seconds", {}).items():
            self.stage_seconds.labels(stage).observe(took_s)
        return result

    @contextmanager
    def limited(self, job_id: str) -> Iterator[None]:
        """A step of a job; the time of all its steps counts together."""
        if self.begun_s[0] != job_id:
            self.begun_s = (job_id, time.monotonic())
        left_s = self.begun_s[1] + self.settings.study_limit_s - time.monotonic()
        timer = threading.Timer(max(0.0, left_s), self.end_process, (job_id,))
        timer.daemon = True
        timer.start()
        try:
            with self.in_hand.work():
                yield
        finally:
            timer.cancel()

    def end_process(self, job_id: str) -> None:
        """Leaves word for the next process, which then fails the job with its reason."""
        log.error("study_time_limit", job=job_id)
        job_folder(self.settings.data, job_id).timed_out.touch()
        os._exit(EXIT_TIME_LIMIT)
