"""A loop whose pass fails is repeated, one that hangs is noticed, and neither stops another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from dbos import DBOSClient
from sqlalchemy.exc import OperationalError

from app.node.service import background_loops
from app.node.settings.configuration import NodeSettings
from app.node.storage.disk import Disk
from app.node.watch.loops import Loop
from operators.errors import TransientError
from tests.support.node.node_processes import until

ERRORS = (
    KeyError("a rule"), ValueError("no pattern"), MemoryError(), RuntimeError("can't start new thread"),
    OSError(5, "I/O error"), OperationalError("", {}, Exception()), TransientError("later"), AssertionError(),
    RecursionError(),
)  # fmt: skip


@contextmanager
def turning(turn: Callable[[], object], silent_s: float = 60.0, **more: Any) -> Iterator[Loop]:
    loop = Loop("look", turn, 0.01, silent_s, **more)
    loop.start()
    try:
        yield loop
    finally:
        loop.stopping.set()
        loop.thread.join(10)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_whatever_a_look_raises_the_next_one_comes(error: Exception) -> None:
    left, calm = [error, error], threading.Event()

    def turn() -> None:
        if left:
            raise left.pop()
        calm.set()

    with turning(turn) as loop:
        assert calm.wait(10)
        until(lambda: loop.is_well, 10)
        assert not loop.has_died


def test_a_look_that_fails_for_ever_is_not_well_and_waits_longer_each_time() -> None:
    turns: list[int] = []

    def turn() -> None:
        turns.append(1)
        raise ValueError

    with turning(turn) as loop:
        until(lambda: loop.failures >= 3, 10)
        assert not loop.is_well
        assert not loop.has_died
        assert len(turns) < 12


def test_a_look_that_hangs_is_not_well_until_it_goes_on() -> None:
    gate, clock = threading.Event(), [0.0]
    with turning(gate.wait, silent_s=5.0, now_s=lambda: clock[0]) as loop:
        until(lambda: loop.thread.is_alive(), 10)
        clock[0] = 6.0
        assert not loop.is_well
        gate.set()
        until(lambda: loop.is_well, 10)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_loop_whose_thread_has_died_is_named() -> None:
    def turn() -> None:
        raise SystemExit

    with turning(turn) as loop:
        until(lambda: loop.has_died, 10)
        assert not loop.is_well


def test_one_that_was_told_to_stop_has_not_died() -> None:
    with turning(lambda: None) as loop:
        until(lambda: loop.is_well, 10)
        loop.stopping.set()
        loop.thread.join(10)
        assert not loop.has_died


def test_what_a_look_needs_is_made_with_the_first_call_that_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    class Made:
        def __init__(self, *_: object) -> None:
            made.append(1)
            if len(made) == 1:
                raise OperationalError("", {}, Exception())

        def tick(self, now_s: float) -> int:
            return 7 if now_s else 0

    monkeypatch.setattr(background_loops, "Dispatcher", Made)
    client: Any = DBOSClient
    settings, disk = NodeSettings(data=tmp_path), Disk(tmp_path, 0)
    loops = background_loops.background_loops(settings, client, disk, lambda: None)
    turn = next(loop.turn for loop in loops if loop.name == "dispatcher")
    with pytest.raises(OperationalError):
        turn()
    assert [turn(), turn()] == [7, 7]
    assert len(made) == 2
