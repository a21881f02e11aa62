"""Child processes of the node: restarted where that helps, killed if they hang, given up with a reason."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.node.watch import process
from app.node.watch.process import PartError, ServicePart
from tests.support.node import part_targets as targets
from tests.support.node.node_processes import until


@pytest.fixture
def begun() -> Iterator[Callable[[Any], ServicePart]]:
    parts: list[ServicePart] = []

    def begin(target: Any) -> ServicePart:
        parts.append(ServicePart("part", target, ()))
        parts[-1].start(time.monotonic())
        return parts[-1]

    yield begin
    for part in parts:
        if part.is_alive:
            part.process.kill()
            part.process.join()


def looked_after(part: ServicePart, until_true: Callable[[], Any]) -> None:
    def look() -> Any:
        part.look_after(time.monotonic())
        return until_true()

    until(look, 60)


def test_what_will_not_pass_ends_the_node_with_its_code_and_sentence(
    begun: Callable[[Any], ServicePart],
) -> None:
    part = begun(targets.lasting)
    with pytest.raises(PartError, match="part: expected a package, there is none") as raised:
        looked_after(part, lambda: False)
    assert (raised.value.exit_code, raised.value.code) == (5, "model")
    assert part.restarts == 0


def test_a_reason_of_any_length_reaches_the_node(begun: Callable[[Any], ServicePart]) -> None:
    part = begun(targets.long_winded)
    with pytest.raises(PartError, match=r"part: ü+$"):
        looked_after(part, lambda: False)


def test_a_reason_that_was_cut_off_says_nothing() -> None:
    assert process.reason_of(b'{"code": "mod') == process.reason_of(b"") == {}


@pytest.mark.parametrize("target", [targets.passing, targets.short, targets.defect])
def test_what_may_pass_is_tried_again(begun: Callable[[Any], ServicePart], target: Any) -> None:
    part = begun(target)
    looked_after(part, lambda: part.restarts >= 2)


def test_once_it_was_well_nothing_gives_a_part_up(begun: Callable[[Any], ServicePart]) -> None:
    part = begun(targets.well)
    looked_after(part, lambda: part.is_well)
    part.process.kill()
    part.process.join()
    part.target = targets.lasting
    looked_after(part, lambda: part.restarts >= 2)


def test_a_part_whose_loop_has_died_ends_and_is_begun_again(begun: Callable[[Any], ServicePart]) -> None:
    part = begun(targets.deaf)
    looked_after(part, lambda: part.restarts >= 1)


def test_a_part_that_hangs_is_ill_and_then_ended(
    begun: Callable[[Any], ServicePart], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "STUCK_S", 3.0)
    part = begun(targets.well)
    until(lambda: part.is_well, 60)
    first = part.process.pid
    os.kill(first, signal.SIGSTOP)
    until(lambda: part.is_silent(time.monotonic(), 2.0), 60)
    looked_after(part, lambda: part.is_well and part.process.pid != first)


def test_sigterm_ends_a_part_at_once(begun: Callable[[Any], ServicePart]) -> None:
    part = begun(targets.well)
    until(lambda: part.is_well, 60)
    part.process.terminate()
    part.process.join(60)
    assert part.process.exitcode == 0


def test_one_that_does_not_end_is_ended(begun: Callable[[Any], ServicePart]) -> None:
    part = begun(targets.slow_to_end)
    until(lambda: part.is_well, 60)
    part.process.terminate()
    part.end(0.5)
    assert part.process.exitcode == -signal.SIGKILL
