"""One rule determines the growing pauses wherever the node retries."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from app.node.queue import pauses
from app.node.queue.study_attempts import StudyAttempts
from app.node.watch.backoff import Backoff
from app.node.watch.process import BACKOFF


def first_ones(after: Callable[[float], float], number: int, pause_s: float = 0.0) -> list[float]:
    found = []
    for _ in range(number):
        found.append(pause_s := after(pause_s))
    return found


@pytest.mark.parametrize(
    ("backoff", "expected"),
    [
        (Backoff(2.0, 10.0), [2, 4, 8, 10, 10]), (Backoff(0.5, 0.5), [0.5, 0.5]),
        (Backoff(60.0, 10.0), [60, 60, 60]), (BACKOFF, [0.5, 1, 2, 4, 8, 16, 30, 30]),
    ],
)  # fmt: skip
def test_each_pause_is_twice_the_one_before_up_to_a_limit(backoff: Backoff, expected: list[float]) -> None:
    assert first_ones(backoff.after, len(expected)) == expected


def test_a_workflow_pauses_as_the_release_before_did() -> None:
    expected = [4, 8, 16, 32, 64, 128, 256, 512, 600, 600]
    assert first_ones(pauses.pause_after, 10, pauses.FIRST_PAUSE_S) == expected


def test_a_study_that_fails_is_looked_at_ever_later_and_a_good_look_ends_that() -> None:
    attempts, now_s, outcomes, tried = StudyAttempts("study_postponed"), 0.0, [KeyError("x")] * 9, []

    def look() -> bool:
        tried.append(now_s)
        if outcomes:
            raise outcomes.pop()
        return True

    with capture_logs() as said:
        while not attempts.attempt("1.2", look, now_s):
            now_s += 1
    expected = [2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0]
    assert [later - former for former, later in pairwise(tried)] == expected
    assert [each["pause_s"] for each in said] == expected
    assert {each["code"] for each in said} == {"defect"}
    outcomes.append(KeyError("x"))
    assert not attempts.attempt("1.2", look, now_s)
    assert attempts.attempt("1.2", look, now_s + 2)
