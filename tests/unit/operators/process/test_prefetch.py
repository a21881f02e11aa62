"""Prefetched items come in order, one in advance, and errors are not lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from operators.process.prefetch import prefetch

WAIT_S = 30


def test_the_same_items_come_in_the_same_order() -> None:
    assert list(prefetch(range(5))) == [0, 1, 2, 3, 4]
    assert list(prefetch([None, None])) == [None, None]
    assert list(prefetch(())) == []


def test_the_next_one_is_made_while_the_present_one_is_used_and_no_further() -> None:
    begun = [threading.Event() for _ in range(3)]

    def made() -> Iterator[int]:
        for number, event in enumerate(begun):
            event.set()
            yield number

    items = prefetch(made())
    assert next(items) == 0
    assert begun[1].wait(WAIT_S)
    assert not begun[2].is_set()
    assert list(items) == [1, 2]


def test_what_making_one_raises_comes_after_those_before_it() -> None:
    def made() -> Iterator[int]:
        yield 0
        raise MemoryError("no room")

    items = prefetch(made())
    assert next(items) == 0
    with pytest.raises(MemoryError, match="no room"):
        next(items)


def test_nothing_more_is_made_where_the_user_stops() -> None:
    made: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    items = prefetch(numbers())
    next(items)
    items.close()
    assert len(made) <= 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("prefetch")]
