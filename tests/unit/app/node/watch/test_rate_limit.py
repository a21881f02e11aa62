"""Each key has a limit of its own, and only so many keys are remembered."""

from __future__ import annotations

from app.node.watch.board import BOARD_BYTES, StatusBoard
from app.node.watch.rate_limit import RateLimits


def test_each_key_has_its_own_limit_which_recovers() -> None:
    now_s = [0.0]
    limits = RateLimits(2, 10.0, lambda: now_s[0])
    assert [limits.passed("a") for _ in range(3)] == [True, True, False]
    assert limits.passed("b")
    now_s[0] = 10.0
    assert [limits.passed("a") for _ in range(2)] == [True, False]


def test_the_key_that_was_used_longest_ago_is_forgotten() -> None:
    limits = RateLimits(1, 10.0, lambda: 0.0, most=2)
    assert [limits.passed(key) for key in "abca"] == [True, True, True, True]
    assert [limits.passed(key) for key in "ca"] == [False, False]


def test_a_board_shows_what_was_written_last_and_drops_what_is_too_long() -> None:
    board = StatusBoard()
    assert board.read() == {}
    board.write({"ill": ["disk"]})
    board.write({"ill": ["x" * BOARD_BYTES]})
    assert board.read() == {"ill": ["disk"]}
    board.content.value = b'{"ill": ['
    assert board.read() == {}
