"""A full disk costs only time: acknowledged instances are kept, the rest is done later."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.dicom import phantoms
from tests.support.dicom.dataset_bytes import UID, ct, element
from tests.support.faults.hostile_cases import OUT_OF_RESOURCES, SUCCESS, kept
from tests.support.faults.small_disk import fill, small_disk
from tests.support.faults.wire import COMMAND, LAST, connected, data, store, store_command
from tests.support.node.node_cases import listening, node_settings, storescu
from tests.support.node.node_processes import Orthanc, Served, until


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


AFFINE = phantoms.axial_affine((2.0, 2.0, 2.0))
HU = phantoms.position_volume((96, 96, 32), AFFINE)


def test_a_disk_that_is_full_in_segmenting_and_in_sending_costs_time_only(tmp_path: Path) -> None:
    pacs = Orthanc(tmp_path / "pacs")
    with small_disk(tmp_path / "disk", 96) as disk:
        node = Served(tmp_path, ({"name": "ct1", "ae_title": "CT1"}, pacs.as_peer()), data=str(disk))
        try:
            node.start()
            phantoms.write_ct(tmp_path / "ct", HU, AFFINE)
            assert storescu(node.port, "+sd", tmp_path / "ct")[0] == 0
            until(lambda: [job.state for job in node.jobs()] == ["running"])
            full_until(disk, lambda: troubles(node) > 0)
            until(lambda: [job.state for job in node.jobs()] == ["delivering"], 120)
            until(lambda: "delivery_postponed" in node.log())
            pacs.start()
            before = troubles(node)
            full_until(disk, lambda: troubles(node) > before)
            until(lambda: [job.state for job in node.jobs()] == ["delivered"], 120)
            assert len(pacs.segs()) == 1
            until(node.is_well)
        finally:
            node.kill()
            pacs.stop()


def troubles(node: Served) -> int:
    """The number of reports that a result could not be written, or the outcome."""
    return node.log().count("database_failed") + node.log().count('"code": "output')


def full_until(disk: Path, noticed: Callable[[], bool]) -> None:
    """Not a byte is left until it was noticed."""
    ballast = fill(disk)
    until(noticed)
    ballast.unlink()
