"""The inbox holds complete instances only, after a crash, with a full disk, and whatever a peer sends."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest

from app.node.storage.inbox import Inbox, InboxOutcome
from operators.dicom.elements.file_meta import file_head
from operators.dicom.elements.instance_identity import Instance
from tests.support.dicom import phantoms
from tests.support.faults.small_disk import small_disk
from tests.support.node.node_cases import dcmtk, listening, node_settings, send, storescu

AFFINE = phantoms.axial_affine()
HU = phantoms.position_volume((64, 64, 4), AFFINE)
INSTANCE = Instance("1.2", "1.2.3", "1.2.3.4", "1.2.840.10008.5.1.4.1.1.2")


def part(inbox: Inbox, content: bytes = b"abc", source: str = "CT1") -> Path:
    path = inbox.new_part()
    path.write_bytes(file_head(INSTANCE.sop_class_uid, "1.2.3.4", "1.2.840.10008.1.2", source) + content)
    return path


def test_who_sent_an_instance_does_not_make_it_another_one(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    assert inbox.commit(part(inbox), INSTANCE) is InboxOutcome.STORED
    assert inbox.commit(part(inbox, source="CT22"), INSTANCE) is InboxOutcome.DUPLICATE
    assert inbox.commit(part(inbox, b"abd"), INSTANCE) is InboxOutcome.CONFLICT
    assert inbox.commit(part(inbox, b"ab"), INSTANCE) is InboxOutcome.CONFLICT
    assert inbox.place(INSTANCE).path.read_bytes().endswith(b"abc")
    assert len(list(inbox.conflicts.rglob("*.dcm"))) == 2
    assert not inbox.unfinished()


def test_held_knows_what_is_stored(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    assert not inbox.held(["1.2.3.4"])
    inbox.commit(part(inbox), INSTANCE)
    assert inbox.held(["1.2.3.4", "1.2.3.5", "../../x"]) == {"1.2.3.4"}


def interrupted(inbox: Inbox, size: int, token: str) -> tuple[Path, Path]:
    """The state after a crash between rename and response: the file, truncated to `size` bytes."""
    final = inbox.place(INSTANCE)
    final.folder.mkdir(parents=True)
    receiver = inbox.incoming / "machine-listener"
    receiver.mkdir()
    pending = receiver / f"1.2_1.2.3_1.2.3.4.dcm_{len(b'whole')}{token}.whole"
    pending.write_bytes(b"whole")
    os.link(pending, final.path)
    os.truncate(pending, size)
    return pending, final.path


@pytest.mark.parametrize("token", ["", "_0123456789abcdef"], ids=["of older versions", "of this one"])
@pytest.mark.parametrize(("size", "kept"), [(5, True), (4, False), (0, False)])
def test_after_a_power_loss_whole_files_stay_and_torn_ones_go(
    tmp_path: Path, size: int, kept: bool, token: str
) -> None:
    pending, final = interrupted(Inbox(tmp_path), size, token)
    inbox = Inbox(tmp_path)
    assert inbox.held(["1.2.3.4"]) == frozenset()
    assert inbox.recover() == 1
    assert (pending.exists(), final.exists()) == (False, kept)
    assert inbox.held(["1.2.3.4"]) == ({"1.2.3.4"} if kept else frozenset())
    assert {path.name for path in inbox.incoming.iterdir()} == {"recovery.lock"}


def test_half_received_files_go_when_their_receiver_lives_no_more(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    pending = part(inbox).with_name("1.2_1.2.3_1.2.3.4.dcm_5.whole")
    pending.write_bytes(b"whole")
    assert Inbox(tmp_path).recover() == 0
    assert len(inbox.unfinished()) == 2
    inbox.own = None  # as its process ends
    assert Inbox(tmp_path).recover() == 2
    assert not list(inbox.incoming.glob("*/"))
    assert not list(inbox.studies.rglob("*.dcm"))


def test_what_a_person_laid_into_a_receivers_folder_keeps_no_node_from_starting(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    part(inbox).with_name("notes.whole").touch()
    part(inbox).with_name("notes.txt").touch()
    inbox.own = None
    assert Inbox(tmp_path).recover() == 2
    assert {path.name for path in inbox.incoming.rglob("notes*")} == {"notes.whole", "notes.txt"}


def test_nothing_is_acknowledged_into_a_data_folder_that_was_swapped(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "data")
    inbox.commit(part(inbox), INSTANCE)
    before = part(inbox, b"another")
    (tmp_path / "data").rename(tmp_path / "old")
    Inbox(tmp_path / "data")
    with pytest.raises(FileNotFoundError):
        inbox.commit(before, replace(INSTANCE, sop_instance_uid="1.2.3.5"))
    with pytest.raises(FileNotFoundError):
        part(inbox)
    assert not list((tmp_path / "data").rglob("*.dcm"))


def test_a_full_disk_is_answered_and_what_was_acknowledged_stays(tmp_path: Path) -> None:
    hu = phantoms.position_volume((256, 256, 12), AFFINE)
    paths = phantoms.write_ct(tmp_path / "in", hu, AFFINE)
    with small_disk(tmp_path / "disk", 1) as disk, listening(node_settings(disk)) as node:
        statuses = [send(node.port, path) for path in paths]
        assert set(statuses) == {0x0000, 0xA700}
        assert len(node.stored()) == statuses.count(0x0000)
        assert node.left_over() == []
        assert dcmtk("echoscu", "127.0.0.1", node.port)[0] == 0


@pytest.mark.parametrize(
    "uid",
    ["../../etc/passwd", "1.2.3/../../x", "1.2\x00.3", "9" * 65, "1." * 5000 + "1", "", "a.b", "1..2", "."],
)
def test_names_that_are_no_uids_never_become_files(tmp_path: Path, uid: str) -> None:
    (path,) = phantoms.write_ct(tmp_path / "in", HU, AFFINE, keep=[0])
    with listening(node_settings(tmp_path / "data")) as node:
        before = sorted(tmp_path.rglob("*"))
        status = send(node.port, path, {"SOPInstanceUID": uid})
        assert status != 0x0000
        assert sorted(tmp_path.rglob("*")) == before
        assert storescu(node.port, path)[0] == 0


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
@pytest.mark.parametrize("value", ["../../x", "1.2/3", "", "1" * 10_000, "1.2\x003"])
def test_data_sets_whose_uids_are_none_are_refused(tmp_path: Path, keyword: str, value: str) -> None:
    (path,) = phantoms.write_ct(tmp_path / "in", HU, AFFINE, keep=[0])
    dataset = pydicom.dcmread(path)
    dataset[keyword]._value = value
    dataset.save_as(path)
    with listening(node_settings(tmp_path / "data")) as node:
        status = send(node.port, path, {"SOPInstanceUID": "1.2.3"})
        assert status in (0xC000, 0xA900)
        assert (node.stored(), node.left_over()) == ([], [])


def test_a_command_that_names_another_instance_than_the_data_set_is_refused(tmp_path: Path) -> None:
    (path,) = phantoms.write_ct(tmp_path / "in", HU, AFFINE, keep=[0])
    with listening(node_settings(tmp_path / "data")) as node:
        assert send(node.port, path, {"SOPInstanceUID": "1.2.3"}) == 0xA900
        assert (node.stored(), node.left_over()) == ([], [])
