"""Files in the watched folder: complete ones are received once, others are left in place or set aside."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.node.receive.watched_folder import AT_ONCE, PAUSE_S, WatchedFolder
from app.node.storage.inbox import Inbox
from operators.dicom.elements.file_meta import file_head
from tests.support.dicom import phantoms

AFFINE = phantoms.axial_affine()
HU = phantoms.position_volume((16, 16, 3), AFFINE)


class Watch:
    """A watched folder with its own clock."""

    def __init__(self, root: Path) -> None:
        self.now_s, self.path, self.inbox = 0.0, root / "watch", Inbox(root / "data", "watch")
        self.path.mkdir()
        self.look_with(0)

    def look_with(self, minimum_free_bytes: int) -> None:
        """From now on, where so much of the disk must stay free."""
        self.folder = WatchedFolder(self.path, self.inbox, 5.0, lambda: self.now_s, minimum_free_bytes)

    def look(self, later_s: float) -> int:
        self.now_s += later_s
        return self.folder.look()

    def stored(self) -> int:
        return len(list(self.inbox.studies.rglob("*.dcm")))


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    return Watch(tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (path,) = phantoms.write_ct(tmp_path / "in", HU, AFFINE, keep=[0])
    return path


def test_a_file_is_taken_when_it_has_settled_and_not_before(watch: Watch, file: Path) -> None:
    shutil.copy(file, watch.path / "a.dcm")
    assert [watch.look(later) for later in (0, 2, 2.9)] == [0, 0, 0]
    assert watch.look(0.2) == 1
    assert watch.stored() == 1
    assert not list(watch.path.iterdir())


def test_a_file_that_still_grows_is_not_taken_half(watch: Watch, file: Path) -> None:
    content = file.read_bytes()
    for size in range(400, len(content), 200):
        (watch.path / "a.dcm").write_bytes(content[:size])
        assert watch.look(4) == 0
    (watch.path / "a.dcm").write_bytes(content)
    assert [watch.look(4), watch.look(4), watch.look(4)] == [0, 0, 1]
    (stored,) = watch.inbox.studies.rglob("*.dcm")
    assert stored.read_bytes()[-500:] == content[-500:]


@pytest.mark.parametrize("name", ["a.dcm.part", "a.tmp", ".a.dcm", ".hidden/a.dcm", "refused/a.dcm"])
def test_names_that_say_unfinished_are_left_alone(watch: Watch, file: Path, name: str) -> None:
    (watch.path / name).parent.mkdir(exist_ok=True)
    shutil.copy(file, watch.path / name)
    assert [watch.look(6) for _ in range(3)] == [0, 0, 0]
    assert (watch.path / name).exists()


def test_links_out_of_the_folder_are_never_followed(watch: Watch, file: Path) -> None:
    (watch.path / "link.dcm").symlink_to(file)
    (watch.path / "folder").symlink_to(file.parent)
    assert [watch.look(6) for _ in range(3)] == [0, 0, 0]
    assert file.exists()


def test_what_is_no_dicom_is_set_apart(watch: Watch) -> None:
    (watch.path / "letter.txt").write_text("no DICOM")
    assert [watch.look(6) for _ in range(3)] == [0, 0, 0]
    assert (watch.path / "refused" / "letter.txt").read_text() == "no DICOM"


def test_below_the_watermark_files_stay_where_they_are_until_there_is_room(watch: Watch, file: Path) -> None:
    watch.look_with(10**15)
    shutil.copy(file, watch.path / "a.dcm")
    assert [watch.look(6) for _ in range(3)] == [0, 0, 0]
    assert (watch.path / "a.dcm").exists()
    watch.look_with(0)
    assert [watch.look(6), watch.look(6)] == [0, 1]


def test_many_files_are_taken_over_several_looks(watch: Watch) -> None:
    hu = phantoms.position_volume((4, 4, AT_ONCE + 5), AFFINE)
    phantoms.write_ct(watch.path / "ct", hu, AFFINE)
    assert [watch.look(6) for _ in range(4)] == [0, AT_ONCE, 5, 0]
    assert watch.stored() == AT_ONCE + 5


def test_a_link_in_the_place_of_refused_moves_nothing_out_of_the_folder(watch: Watch, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "letter.txt").write_text("another one's")
    (watch.path / "refused").symlink_to(elsewhere)
    (watch.path / "letter.txt").write_text("no DICOM")
    with capture_logs() as said:
        assert [watch.look(6) for _ in range(3)] == [0, 0, 0]
    (postponed,) = [each for each in said if each["event"] == "watched_file_postponed"]
    assert "folder for refused files named 'refused'" in postponed["error"]
    assert "letter" not in postponed["error"]
    assert [path.read_text() for path in elsewhere.iterdir()] == ["another one's"]
    assert (watch.path / "letter.txt").read_text() == "no DICOM"
    (watch.path / "refused").unlink()
    (watch.path / "refused").write_text("a file in its place")
    with capture_logs() as said:
        watch.look(PAUSE_S + 1)
    assert "folder for refused files" in next(each["error"] for each in said if "error" in each)
    (watch.path / "refused").unlink()
    assert [watch.look(PAUSE_S + 1), watch.look(6)] == [0, 0]
    assert (watch.path / "refused" / "letter.txt").read_text() == "no DICOM"


def test_acknowledged_instances_are_safe_from_a_refused_folder_that_is_a_link_to_them(
    watch: Watch, file: Path
) -> None:
    shutil.copy(file, watch.path / "a.dcm")
    watch.look(0)
    assert watch.look(6) == 1
    (stored,) = watch.inbox.studies.rglob("*.dcm")
    content = stored.read_bytes()
    (watch.path / "refused").symlink_to(stored.parent)
    (watch.path / stored.name).write_text("no DICOM")
    assert [watch.look(6) for _ in range(3)] == [0, 0, 0]
    assert stored.read_bytes() == content


@pytest.mark.parametrize("block", ["file", "link"])
def test_what_is_in_the_way_below_refused_is_gone_round(watch: Watch, tmp_path: Path, block: str) -> None:
    (watch.path / "refused").mkdir()
    if block == "file":
        (watch.path / "refused" / "letters").write_text("in the way")
    else:
        (watch.path / "refused" / "letters").symlink_to(tmp_path)
    (watch.path / "letters").mkdir()
    (watch.path / "letters" / "a.txt").write_text("no DICOM")
    watch.look(0)
    watch.look(6)
    assert (watch.path / "refused" / "a.txt").read_text() == "no DICOM"
    assert not (tmp_path / "a.txt").exists()


def test_a_refused_file_overwrites_no_other_one(watch: Watch) -> None:
    for content in ("first", "second", "third"):
        (watch.path / "letter.txt").write_text(content)
        watch.look(0)
        watch.look(6)
    found = sorted(path.read_text() for path in (watch.path / "refused").iterdir())
    assert found == ["first", "second", "third"]


def test_special_files_are_left_alone_and_hold_up_nothing(watch: Watch, file: Path) -> None:
    os.mkfifo(watch.path / "a-fifo.dcm")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(watch.path / "b-socket.dcm"))
        shutil.copy(file, watch.path / "c.dcm")
        with capture_logs() as said:
            assert [watch.look(6), watch.look(6), watch.look(6)] == [0, 1, 0]
    assert [each["count"] for each in said if each["event"] == "watched_entries_ignored"] == [{"special": 2}]
    assert len(list(watch.path.iterdir())) == 2


def test_another_name_of_a_stored_instance_takes_only_that_name_away(watch: Watch, file: Path) -> None:
    shutil.copy(file, watch.path / "a.dcm")
    watch.look(0)
    watch.look(6)
    (stored,) = watch.inbox.studies.rglob("*.dcm")
    os.link(stored, watch.path / "again.dcm")
    content = stored.read_bytes()
    assert [watch.look(6), watch.look(6)] == [0, 1]
    assert stored.read_bytes() == content
    assert not list(watch.path.iterdir())


class Swapping(Inbox):
    """An inbox in whose every commit something is done to the watched folder."""

    def __init__(self, root: Path, swap: Callable[[], None]) -> None:
        super().__init__(root, "watch")
        self.swap = swap

    def new_part(self) -> Path:
        """When the file was judged, and before it is read."""
        self.swap()
        return super().new_part()


@pytest.mark.parametrize("swap", ["file", "link", "folder"])
def test_a_name_that_is_swapped_between_look_and_take_leads_nowhere(
    watch: Watch, tmp_path: Path, file: Path, swap: str
) -> None:
    (victim,) = phantoms.write_ct(tmp_path / "victim", HU, AFFINE, keep=[1])
    folder = watch.path / "ct"
    folder.mkdir()
    shutil.copy(file, folder / "a.dcm")

    def swapped() -> None:
        if swap == "folder":
            folder.rename(watch.path / ".away")
            folder.symlink_to(victim.parent)
            return
        (folder / "a.dcm").unlink()
        if swap == "link":
            (folder / "a.dcm").symlink_to(victim)
        else:
            shutil.copy(victim, folder / "a.dcm")

    watch.inbox = Swapping(tmp_path / "data", swapped)
    watch.look_with(0)
    assert [watch.look(6), watch.look(6)] == ([0, 1] if swap == "folder" else [0, 0])
    assert victim.exists()
    stored = [path.read_bytes() for path in watch.inbox.studies.rglob("*.dcm")]
    assert victim.read_bytes() not in stored
    assert swap != "file" or (folder / "a.dcm").exists()


def test_a_file_that_is_replaced_while_it_is_stored_is_taken_later_and_not_removed(
    watch: Watch, tmp_path: Path, file: Path
) -> None:
    (other,) = phantoms.write_ct(tmp_path / "other", HU, AFFINE, keep=[1])

    class Late(Inbox):
        """Before the commit returns, the name leads to another file."""

        def commit(self, part: Path, instance: Any) -> Any:
            """As any."""
            outcome = super().commit(part, instance)
            if not (watch.path / "done").exists():
                shutil.copy(other, watch.path / "new")
                (watch.path / "new").rename(watch.path / "a.dcm")
                (watch.path / "done").mkdir()
            return outcome

    watch.inbox = Late(tmp_path / "data", "watch")
    watch.look_with(0)
    shutil.copy(file, watch.path / "a.dcm")
    watch.look(0)
    watch.look(6)
    assert [watch.look(6), watch.look(6)] == [0, 1]
    assert watch.stored() == 2
    assert [path.name for path in watch.path.iterdir()] == ["done"]


def test_what_is_wrong_with_one_file_concerns_that_file_only(watch: Watch, file: Path) -> None:
    content, chance = file.read_bytes(), random.Random(11)
    for n in range(300):
        damaged = bytearray(content[: chance.choice((len(content), chance.randrange(len(content))))])
        for _ in range(chance.randrange(1, 20)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        (watch.path / f"a{n}.dcm").write_bytes(damaged)
    long_title = b"\x02\x00\x16\x00UT\0\0" + (70_000).to_bytes(4, "little") + bytes(70_000)
    head = file_head("1.2.840.10008.5.1.4.1.1.2", "1.2.3", "1.2.840.10008.1.2.1", "CT1")
    (watch.path / "long.dcm").write_bytes(head[:-12] + long_title)
    (watch.path / os.fsdecode(b"\xff\xfe.txt")).write_text("a name that is no UTF-8")
    shutil.copy(file, watch.path / "z.dcm")
    with capture_logs() as said:
        for _ in range(8):
            watch.look(6)
    refused = len(list((watch.path / "refused").iterdir()))
    assert {path.name for path in watch.path.iterdir()} == {"refused"}
    assert refused == sum(each["event"] == "watched_file_refused" for each in said) >= 2
    names = [path.name for path in (watch.path / "refused").iterdir()]
    assert not any(os.fsencode(name) in repr(said).encode() for name in names)
    # Some of the damaged ones came under its UID before it
    kept = [path.read_bytes()[-500:] for path in watch.inbox.root.rglob("*.dcm")]
    assert content[-500:] in kept


def test_files_that_cannot_be_taken_hold_up_no_others_and_are_said_once(
    watch: Watch, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.node.receive.watched_folder.AT_ONCE", 2)
    for n in range(3):
        shutil.copy(file, watch.path / f"a{n}.dcm")
        subprocess.run(["chattr", "+i", watch.path / f"a{n}.dcm"], check=True)
    (other,) = phantoms.write_ct(watch.path / "z", HU, AFFINE, keep=[1])
    try:
        with capture_logs() as said:
            assert sum(watch.look(6) for _ in range(4)) == 1
        assert [each["event"] for each in said] == ["watched_file_postponed"] * 3
        assert not other.exists()
    finally:
        for n in range(3):
            subprocess.run(["chattr", "-i", watch.path / f"a{n}.dcm"], check=True)
    assert [watch.look(PAUSE_S), watch.look(6), watch.look(6)].count(2) >= 1
    assert watch.stored() == 2


def test_a_crash_between_claim_and_removal_loses_nothing(watch: Watch, file: Path) -> None:
    shutil.copy(file, watch.path / ".osteon-0123456789abcdef")
    (watch.path / ".osteon-letter").write_text("no DICOM")
    assert [watch.look(6), watch.look(6)] == [0, 1]
    assert [path.name for path in watch.path.iterdir()] == ["refused"]


def test_folders_that_nest_for_ever_are_left_alone(watch: Watch, file: Path) -> None:
    deep = watch.path.joinpath(*["d"] * 100)
    deep.mkdir(parents=True)
    shutil.copy(file, deep / "a.dcm")
    shutil.copy(file, watch.path / "z.dcm")
    with capture_logs() as said:
        assert [watch.look(6), watch.look(6)] == [0, 1]
    assert [each["count"] for each in said] == [{"too_deep": 1}]
