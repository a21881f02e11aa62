"""Jobs in every state that the page can show, as the queue would tell of them."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from app.node.queue.jobs.job_index import JobIndex
from app.node.queue.jobs.job_state import DeliveryState, JobState

ROOT = "1.2.826.0.1.3680043.8.498.70812345678901234567890123456789"
DOWN = "expected pacs to answer within 30 s, got no connection; is it running there?"
NEXT = "2026-06-01T12:30:00+00:00"
SENT = (DeliveryState("pacs", "delivered"), DeliveryState("archive-of-the-other-hospital", "delivered"))
WAITS = DeliveryState("pacs", "postponed", "unreachable", DOWN, 3, NEXT)
GIVEN: tuple[dict[str, Any], ...] = (
    {"state": "queued"},
    {"state": "queued", "code": "held", "sentence": "held by a user until it is released"},
    {"state": "running"},
    {
        "state": "running",
        "code": "disk",
        "sentence": "expected space on the disk, got none",
        "attempts": 2,
        "next_attempt": NEXT,
    },
    {
        "state": "delivering",
        "code": "unreachable",
        "sentence": f"pacs: {DOWN}",
        "destinations": (WAITS, SENT[1]),
        "finding": "uncertain",
        "probability": 0.41,
    },
    {
        "state": "conflict",
        "code": "other_image",
        "sentence": "expected the image that is stored, got another one under the same SOP Instance UID",
    },
    {
        "state": "delivered",
        "finding": "fracture",
        "probability": 0.93,
        "destinations": SENT,
        "deliveries": (("pacs", "delivered"),),
    },
    {
        "state": "delivered",
        "code": "not_taken",
        "sentence": "pacs does not take Encapsulated PDF Storage, which it was not sent",
        "destinations": SENT,
    },
    {
        "state": "refused",
        "code": "too_thick",
        "sentence": "expected slices of at most 5 mm, got slices of 7.5 mm",
    },
    {
        "state": "failed",
        "code": "worker_died",
        "sentence": "expected the worker to survive this study, it died repeatedly while processing it",
    },
    {"state": "cancelled", "code": "cancelled", "sentence": "cancelled by a user"},
    {
        "state": "superseded",
        "code": "former_patient_data",
        "sentence": f"PatientID was corrected before a result was delivered; {ROOT}.3-00a replaces it",
    },
    {"state": "accepted", "code": "other_image"},
    {"state": "dismissed", "code": "other_image"},
)


def shown_jobs() -> tuple[JobState, ...]:
    """Returns a job in each state, and in each variant of one that looks different, oldest first."""
    now_ms = int(time.time() * 1000)
    found = [
        JobState(
            f"{ROOT}.{number}-{number:016x}",
            created_ms=now_ms - 1_500_000 * (len(GIVEN) - number),
            calling_ae="EMERGENCY_CT_01",
            images=1204,
            revision=1,
            **values,
        )
        for number, values in enumerate(GIVEN)
    ]
    return tuple(
        replace(job, completed_ms=job.created_ms + 200_000) if job.state not in ("queued", "running") else job
        for job in found
    )


class ShownIndex(JobIndex):
    """The jobs of an index, and others in front of them that are in no queue."""

    def __init__(self, real: JobIndex, more: tuple[JobState, ...]) -> None:
        super().__init__(real.client, real.read_stamps)
        self.more = more

    def fresh(self, within_s: float = 3.0) -> tuple[JobState, ...]:
        """Returns all of them."""
        return (*self.more, *super().fresh(within_s))
