"""A full disk costs time and nothing else: what was acknowledged is kept, the rest is done later."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.dataset_bytes import UID, ct, element
from tests.integration.hostile_cases import OUT_OF_RESOURCES, SUCCESS, kept
from tests.integration.node_cases import listening, node_settings
from tests.integration.small_disk import small_disk
from tests.integration.wire import COMMAND, LAST, connected, data, store, store_command


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 8) as folder:
        yield folder


def test_a_disk_that_fills_up_loses_nothing_that_was_acknowledged(tmp_path: Path, disk: Path) -> None:
    chance, answers = random.Random(8), {}
    with listening(node_settings(disk)) as node, connected(node.port) as wire:
        wire.associated()
        for n in range(60):
            noise = element(0x7FE10010, "OB", chance.randbytes(chance.randrange(1000, 900_000)))
            uid = f"{UID}.1.{n + 1}"
            dataset = ct(uid, after=noise)
            wire.say(*store(uid, dataset, 900_000))
            answers[dataset] = wire.status()
        assert set(answers.values()) == {SUCCESS, OUT_OF_RESOURCES}
        for dataset, status in answers.items():
            assert kept(node.inbox, dataset, tmp_path) == (status == SUCCESS)
        assert node.left_over() == []


def test_one_data_set_without_end_stops_at_the_watermark(disk: Path) -> None:
    with listening(node_settings(disk, minimum_free_mb=3)) as node, connected(node.port) as wire:
        wire.associated()
        wire.say(data(store_command(f"{UID}.1.1"), COMMAND | LAST))
        for _ in range(20):
            wire.say(data(bytes(500_000), 0))
        wire.say(data(bytes(10), LAST))
        assert wire.status() == OUT_OF_RESOURCES
        assert node.inbox.free_bytes() > 7_000_000
        wire.say(*store(f"{UID}.1.2", ct(f"{UID}.1.2")))
        assert wire.status() == SUCCESS
