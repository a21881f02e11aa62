"""Files laid into the watched folder: whole ones are taken once, others are left alone or set apart."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from app.node.inbox import Inbox
from app.node.watched_folder import AT_ONCE, WatchedFolder
from tests import phantoms

AFFINE = phantoms.axial_affine()
HU = phantoms.position_volume((16, 16, 3), AFFINE)


class Watch:
    """A watched folder with a clock of its own."""

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
