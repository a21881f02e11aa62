"""A worker asks for studies often while they follow one another, and seldom while it has none."""

from __future__ import annotations

from app.node.queue.abandoned import Running
from app.node.queue.polling import ADJUST_S, BUSY_S, FOLLOWING_S, IDLE_S, Polling


class Kept:
    """A queue that keeps the intervals it is given."""

    def __init__(self) -> None:
        self.intervals: list[float] = []

    def set_polling_interval_sec(self, value: float) -> None:
        self.intervals.append(value)


def test_the_interval_follows_the_work_and_is_written_only_when_it_changes() -> None:
    queue, running, at_s = Kept(), Running(), [100.0]
    polling = Polling(queue, running, lambda: at_s[0])

    def looked(seconds: float) -> list[float]:
        for _ in range(round(seconds / ADJUST_S)):
            at_s[0] += ADJUST_S
            polling.adjust()
        return queue.intervals

    assert looked(60) == []
    running.ids.add("study-1")
    assert looked(30) == [BUSY_S]
    running.ids.clear()
    # Between two studies
    assert looked(FOLLOWING_S / 2) == [BUSY_S]
    running.ids.add("study-2")
    assert looked(5) == [BUSY_S]
    running.ids.clear()
    assert looked(60) == [BUSY_S, IDLE_S]
    running.ids.add("study-3")
    assert looked(1) == [BUSY_S, IDLE_S, BUSY_S]


def test_a_database_that_does_not_answer_is_asked_again() -> None:
    queue, running = Kept(), Running()
    polling = Polling(queue, running)
    running.ids.add("study-1")
    answering, polling.queue = queue, Silent()
    for _ in range(2):
        try:
            polling.adjust()
        except ConnectionError:
            continue
        raise AssertionError("expected the failure of the database")
    polling.queue = answering
    polling.adjust()
    assert queue.intervals == [BUSY_S]


class Silent:
    """A queue whose database does not answer."""

    def set_polling_interval_sec(self, value: float) -> None:
        raise ConnectionError(value)
