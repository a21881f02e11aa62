"""Jobs are found by what people know of them, and counted by the hour."""

from __future__ import annotations

import pytest

from app.node.queue.jobs.job_search import HOUR_MS, Hour, hours, search
from app.node.queue.jobs.job_state import HELD, DeliveryState, JobState

POSTPONED = DeliveryState("archive", "postponed", "unreachable", "no answer", 2)
JOBS = (
    JobState("1.2.1-00000000000000aa", "delivered", finding="fracture", calling_ae="ER-CT", revision=1),
    JobState("1.2.2-00000000000000bb", "failed", code="defect", sentence="A defect", revision=1),
    JobState("1.2.3-0000000000000acc", "queued", code=HELD, revision=1),
    JobState("1.2.4-ff000000000000dd", "delivering", destinations=(POSTPONED,), revision=1),
    JobState("1.2.5-ee000000000000ee", "conflict"),
)
ACCESSIONS = {JOBS[1].job_id: ("ACC-7", "Pat 8")}


def found(group: str, text: str = "") -> str:
    """The last numbers of the studies that are found."""
    jobs = search(JOBS, group, text, lambda job_id: ACCESSIONS.get(job_id, ()))
    return "".join(job.study_instance_uid[-1] for job in jobs)


@pytest.mark.parametrize(
    ("group", "numbers"),
    [
        ("all", "12345"),
        ("attention", "245"),
        ("fracture", "1"),
        ("held", "3"),
        ("queued", "3"),
        ("ended", ""),
    ],
)
def test_a_group_holds_the_jobs_that_a_person_looks_for(group: str, numbers: str) -> None:
    assert found(group) == numbers


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("er-ct", "1"), ("DEFECT", "2"), ("acc-7", "2"), (" pat 8 ", "2"), ("1.2.3", "3"), ("ff00", "4"),
        ("archive", "4"), ("00000000", "123"), ("0acc", ""), ("", "12345"),
    ],
)  # fmt: skip
def test_a_text_is_found_in_what_people_know_of_a_study(text: str, numbers: str) -> None:
    assert found("all", text) == numbers


def test_hours_count_what_was_queued_and_how_jobs_ended() -> None:
    now_ms = 100 * HOUR_MS + 5
    jobs = [
        JobState("a-1", "delivered", created_ms=99 * HOUR_MS, completed_ms=100 * HOUR_MS, revision=1),
        JobState("a-2", "failed", created_ms=98 * HOUR_MS, completed_ms=99 * HOUR_MS + 1, revision=1),
        JobState("a-3", "queued", created_ms=now_ms, revision=1),
        JobState("a-4", "refused", created_ms=1, completed_ms=2, revision=1),
        JobState("a-5", "conflict", created_ms=now_ms),
    ]
    assert list(hours(jobs, now_ms, 3)) == [
        Hour(98 * HOUR_MS, queued=1),
        Hour(99 * HOUR_MS, queued=1, failed=1),
        Hour(100 * HOUR_MS, queued=1, delivered=1),
    ]
