"""Hostile data sets are refused, or stored unchanged without harm to their readers."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from app.node.studies.study_folder import StudyFolders
from operators.dicom.read.scan import scan
from tests.support.dicom.dataset_bytes import UID, ct, deflated, element, nested
from tests.support.faults.hostile_cases import (
    CANNOT_UNDERSTAND,
    FUZZED,
    SUCCESS,
    assert_serves,
    contents,
    kept,
)
from tests.support.faults.wire import DEFLATED, connected, mutated, store
from tests.support.node.listener_process import ListenerProcess
from tests.support.node.node_cases import dcmtk, listening, node_settings

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def test_fuzzed_data_sets_are_refused_or_kept_as_they_came(tmp_path: Path) -> None:
    chance = random.Random(6)
    answers: list[tuple[int, bytes]] = []
    with listening(node_settings(tmp_path / "data")) as node:
        with connected(node.port) as wire:
            wire.associated()
            for n in range(FUZZED):
                uid = f"{UID}.1.{n + 1}"
                dataset = mutated(ct(uid), chance)
                wire.say(*store(uid, dataset))
                answers.append((wire.status(), dataset))
        assert all(status in (0x0000, 0xA900, 0xC000) for status, _ in answers)
        acknowledged = [dataset for status, dataset in answers if status == SUCCESS]
        assert 0 < len(acknowledged) < len(answers)
        assert all(kept(node.inbox, dataset, tmp_path) for dataset in acknowledged[::100])
        assert len(contents(node.inbox)) == len(set(acknowledged))
        assert_serves(node, tmp_path)
    found = scan(tmp_path / "data" / "inbox")
    placed = {frame.path for series in found.series for frame in series.frames}
    assert len(placed) + len(found.unreadable) + len(found.others) == len(acknowledged) + 4


@pytest.mark.parametrize(
    "uid", ["../../../x", "/etc/passwd", "1.2\x003.4", "1." * 5000 + "1", "..", "1.2 3", ""]
)
@pytest.mark.parametrize("which", ["study", "series", "uid"])
def test_uids_that_are_paths_are_refused(tmp_path: Path, which: str, uid: str) -> None:
    with listening(node_settings(tmp_path / "data")) as node:
        node.inbox.new_part()  # the listener's folder, which its first instance makes
        before = sorted(tmp_path.rglob("*"))
        with connected(node.port) as wire:
            wire.associated().say(*store(f"{UID}.1.1", ct(**cast(dict[str, Any], {which: uid}))))
            assert wire.status() == CANNOT_UNDERSTAND
        assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("patient", ["../../../x", "/etc/passwd", "A\x00B", "P" * 10_000, "$(reboot)`id`"])
def test_patient_ids_name_no_file(tmp_path: Path, patient: str) -> None:
    with listening(node_settings(tmp_path / "data")) as node:
        with connected(node.port) as wire:
            wire.associated().say(*store(f"{UID}.1.1", ct(patient=patient)))
            assert wire.status() == SUCCESS
        (found,) = tmp_path.rglob("*.dcm")
        assert found == node.inbox.studies / UID / f"{UID}.1" / f"{UID}.1.1.dcm"
        (series,) = StudyFolders(node.inbox.studies).look()[UID].series
        assert series.sop_instance_uid == f"{UID}.1.1"


BOMB_BYTES = 512 << 20


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ListenerProcess]:
    running = ListenerProcess(tmp_path / "data")
    yield running
    running.kill()


@pytest.mark.parametrize("where", ["behind", "before"])
def test_deflate_bombs_take_no_memory(tmp_path: Path, process: ListenerProcess, where: str) -> None:
    zeros = element(0x00091010, "OB", b"", BOMB_BYTES)
    bomb = deflated(ct(), BOMB_BYTES) if where == "behind" else deflated(ct()[:100] + zeros, BOMB_BYTES)
    before_mb = process.peak_mb()
    with connected(process.port) as wire:
        wire.associated(syntax=DEFLATED).say(*store(f"{UID}.1.1", bomb))
        assert wire.status() == (SUCCESS if where == "behind" else CANNOT_UNDERSTAND)
    assert process.peak_mb() - before_mb < 32
    assert dcmtk("echoscu", "127.0.0.1", process.port)[0] == 0
    assert len(StudyFolders(tmp_path / "data" / "inbox").look()) == (where == "behind")


@pytest.mark.parametrize(
    "dataset",
    [
        ct(rows=struct.pack("<L", 1 << 31), rows_vr="UL"),
        ct(rows=struct.pack("<H", 0xFFFF)),
        ct(before=nested(10_000)),
        ct(after=nested(10_000)),
        ct(before=nested(10_000)[:100_000]),
        ct(before=element(0x00091010, "UN", b"", 0xFFFFFFFE)),
    ],
    ids=["rows of 2^31", "rows of 65535", "deep before", "deep behind", "deep and open", "length of 2^32"],
)
def test_monstrous_data_sets_harm_neither_the_listener_nor_who_reads_the_inbox(
    tmp_path: Path, process: ListenerProcess, dataset: bytes
) -> None:
    before_mb = process.peak_mb()
    with connected(process.port) as wire:
        wire.associated().say(*store(f"{UID}.1.1", dataset))
        assert wire.status() in (SUCCESS, CANNOT_UNDERSTAND)
    assert process.peak_mb() - before_mb < 64
    assert dcmtk("echoscu", "127.0.0.1", process.port)[0] == 0
    StudyFolders(tmp_path / "data" / "inbox").look()
    scan(tmp_path / "data" / "inbox")
