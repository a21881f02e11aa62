"""Buffered reads return bytes unchanged, and gathered writes are complete."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from app.node.receive.incoming import VIEWS_AT_ONCE, remove_element, write_all
from app.node.receive.transport import READ_BYTES, ReadAhead


@pytest.mark.parametrize("seed", range(5))
def test_bytes_come_out_in_their_order_whatever_the_portions(seed: int) -> None:
    chance = random.Random(seed)
    sent = chance.randbytes(5 * READ_BYTES)
    ahead, came, got = ReadAhead(), 0, bytearray()
    while len(got) < len(sent):
        wanted = min(chance.choice((1, 6, 1000, READ_BYTES, 2 * READ_BYTES)), len(sent) - len(got))
        while len(ahead) < wanted:
            room = ahead.room(wanted)
            portion = sent[came : came + chance.randint(1, len(room))]
            room[: len(portion)] = portion
            ahead.came(len(portion))
            came += len(portion)
        assert ahead.seen(wanted) == sent[len(got) : len(got) + wanted]
        got += ahead.taken(wanted)
    assert got == sent


def test_no_more_is_given_than_has_come() -> None:
    ahead = ReadAhead()
    ahead.room(6)[:3] = b"abc"
    ahead.came(3)
    assert (ahead.seen(6), bytes(ahead.taken(6)), len(ahead)) == (b"abc", b"abc", 0)


def test_more_views_than_one_write_takes_are_written_in_their_order(tmp_path: Path) -> None:
    views = [memoryview(str(n).encode()) for n in range(2 * VIEWS_AT_ONCE + 1)]
    with (tmp_path / "file").open("wb", buffering=0) as file:
        assert write_all(file.fileno(), views) == sum(map(len, views))
    assert (tmp_path / "file").read_bytes() == b"".join(views)


@pytest.mark.parametrize(
    ("count", "left"), [(0, b"abcdef"), (1, b"bcdef"), (2, b"cdef"), (5, b"f"), (6, b"")]
)
def test_what_a_short_write_left_is_written_next(count: int, left: bytes) -> None:
    views = [memoryview(b"ab"), memoryview(b""), memoryview(b"cde"), memoryview(b"f")]
    assert b"".join(remove_element(views, count)) == left
