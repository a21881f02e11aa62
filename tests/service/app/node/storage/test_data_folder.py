"""A data folder has one node in each role, and a node ends when its folder is replaced."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.node.queue.database import prepare_database
from app.node.storage.data_folder import FILES, FOLDERS, DataFolder, DataFolderError
from tests.support.dicom import phantoms
from tests.support.faults.small_disk import small_disk
from tests.support.node.node_cases import node_settings, storescu
from tests.support.node.node_processes import Served, until

STARTED = datetime(2026, 6, 1, tzinfo=UTC)
POSTGRESQL = "postgresql://osteon@db/osteon"
AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))
HU = phantoms.position_volume((16, 16, 16), AFFINE)


def hold(data: Path, **given: Any) -> DataFolder:
    return DataFolder(node_settings(data, **given), STARTED)


def test_a_second_node_is_told_who_has_the_folder(tmp_path: Path) -> None:
    first = hold(tmp_path)
    with pytest.raises(DataFolderError) as told:
        hold(tmp_path)
    assert told.value.exit_code == 6
    sentence = str(told.value)
    assert f"process {os.getpid()} on {os.uname().nodename} (since 2026-06-01" in sentence
    first.release()
    hold(tmp_path).release()


@pytest.mark.parametrize(
    ("first", "second", "may"),
    [
        (("receive",), ("send", "segment"), True), (("segment",), ("receive", "send"), True),
        (("receive",), ("receive",), False), (("segment",), ("segment", "send"), False),
        (("receive", "segment", "send"), ("send",), False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("database", ["", POSTGRESQL], ids=["SQLite", "PostgreSQL"])
def test_nodes_of_one_machine_share_a_folder_where_their_roles_differ(
    tmp_path: Path, first: tuple[str, ...], second: tuple[str, ...], may: bool, database: str
) -> None:
    one = hold(tmp_path, roles=first, database=database)
    if may:
        hold(tmp_path, roles=second, database=database).release()
    else:
        with pytest.raises(DataFolderError):
            hold(tmp_path, roles=second, database=database)
    one.release()
    hold(tmp_path, roles=("receive", "segment", "send"), database=database).release()


@contextmanager
def other_machine(data: Path, role: str, database: str) -> Iterator[None]:
    """The lock of a node on another machine."""
    path = data / "locks" / (role if role == "receive" else f"{role}-elsewhere")
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"machine": "elsewhere", "process": 7, "database": database, "since": "then"}))
    with path.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.mark.parametrize(
    ("role", "theirs", "mine", "may"),
    [
        ("segment", "PostgreSQL", POSTGRESQL, True), ("send", "PostgreSQL", POSTGRESQL, True),
        ("receive", "PostgreSQL", POSTGRESQL, False),
        ("segment", "SQLite", "", False), ("segment", "SQLite", POSTGRESQL, False),
        ("segment", "PostgreSQL", "", False),
    ],
)  # fmt: skip
def test_machines_share_a_folder_by_postgresql_only_and_one_receives(
    tmp_path: Path, role: str, theirs: str, mine: str, may: bool
) -> None:
    with other_machine(tmp_path, role, theirs):
        if may:
            hold(tmp_path, database=mine).release()
        else:
            with pytest.raises(DataFolderError, match="process 7 on elsewhere"):
                hold(tmp_path, database=mine)
    hold(tmp_path, database=mine).release()


def move_away(data: Path) -> None:
    data.rename(data.with_name("away"))


def swap(data: Path) -> None:
    move_away(data)
    shutil.copytree(data.with_name("away"), data)


def become_a_file(data: Path) -> None:
    move_away(data)
    data.touch()


def delete_database(data: Path) -> None:
    (data / "osteon.sqlite").unlink()


def replace_database(data: Path) -> None:
    shutil.copy(data / "osteon.sqlite", data / "restored")
    (data / "restored").replace(data / "osteon.sqlite")


def delete_everything(data: Path) -> None:
    for path in data.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def delete_locks(data: Path) -> None:
    shutil.rmtree(data / "locks")


CHANGES = (move_away, swap, become_a_file, delete_database, replace_database, delete_everything, delete_locks)


@pytest.mark.parametrize("change", CHANGES)
def test_a_folder_that_is_not_the_same_any_more_is_noticed(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    data = tmp_path / "data"
    folder = hold(data)
    prepare_database(folder.node)
    folder.remember()
    assert folder.problem() is None
    change(data)
    problem = folder.problem()
    assert problem is not None
    assert (problem.code, problem.is_final) == ("data_folder_replaced", True)
    folder.release()


def test_a_folder_that_takes_nothing_is_ill_until_it_does(tmp_path: Path) -> None:
    folder = hold(tmp_path)
    prepare_database(folder.node)
    folder.remember()
    with immutable(tmp_path / "locks" / "receive"):
        problem = folder.problem()
    assert problem is not None
    assert (problem.code, problem.is_final) == ("data_folder_unwritable", False)
    assert folder.problem() is None
    folder.release()


@contextmanager
def immutable(path: Path) -> Iterator[None]:
    """As on a disk that takes nothing more."""
    subprocess.run(["chattr", "+i", path], check=True)
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", path], check=True)


@pytest.mark.parametrize("event", ["unmounted", "mounted over"])
def test_a_disk_that_goes_is_noticed(tmp_path: Path, event: str) -> None:
    with small_disk(tmp_path / "disk", 8) as disk:
        folder = hold(disk, mount=disk)
        prepare_database(folder.node)
        folder.remember()
        assert folder.problem() is None
        if event == "unmounted":
            subprocess.run(["umount", "--lazy", disk], check=True)
        else:
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", disk], check=True)
        problem = folder.problem()
        folder.release()
        if event == "unmounted":
            with pytest.raises(DataFolderError, match="expected a disk mounted"):
                hold(disk, mount=disk)
            assert list(disk.iterdir()) == []
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", disk], check=True)
        if event == "mounted over":
            subprocess.run(["umount", disk], check=True)
        assert problem is not None
        assert problem.is_final


@pytest.mark.parametrize("watch", ["data", "data/inbox", "data/watch", ".", "link"])
def test_a_watched_folder_that_overlaps_the_data_is_refused(tmp_path: Path, watch: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    with pytest.raises(DataFolderError, match="apart from the data folder"):
        hold(tmp_path / "data", watch=tmp_path / watch)
    hold(tmp_path / "data", watch=tmp_path / "watch").release()


@pytest.mark.parametrize("name", ["", *FOLDERS])
@pytest.mark.parametrize("kind", ["file", "link to nothing"])
def test_an_obstacle_in_place_of_a_folder_is_named_at_the_start(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / "data" / name
    path.parent.mkdir(exist_ok=True)
    path.touch() if kind == "file" else path.symlink_to(tmp_path / "nothing")
    with pytest.raises(DataFolderError, match=f"expected a folder at {path}, got a {kind}") as caught:
        hold(tmp_path / "data")
    assert caught.value.code == "data_folder_obstacle"


@pytest.mark.parametrize("name", FILES)
def test_an_obstacle_in_place_of_a_file_is_named_at_the_start(tmp_path: Path, name: str) -> None:
    (tmp_path / "data" / name).mkdir(parents=True)
    with pytest.raises(DataFolderError, match=r"expected a file at .*, got a folder"):
        hold(tmp_path / "data")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    node = Served(tmp_path, ({"name": "ct1", "ae_title": "CT1"},), roles=("receive",)).start()
    yield node
    node.end()


def test_a_second_node_does_not_start_and_the_first_goes_on(served: Served, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    shutil.copytree(served.models, tmp_path / "second" / "models")
    second = Served(tmp_path / "second", (), data=str(served.node.data), roles=("receive",))
    second.start(wait=False)
    assert second.process is not None
    assert served.process is not None
    assert second.process.wait(60) == 6
    assert f"process {served.process.pid} on" in second.log()
    with immutable(served.node.data / "locks" / "receive"):
        until(lambda: not served.is_well())
        until(lambda: "data_folder_unwritable" in served.log())
    until(served.is_well)
    served.kill()
    second.start()
    assert second.stop() == 0
    made = {path.name for path in served.node.data.iterdir() if not path.name.startswith("osteon.sqlite-")}
    assert made <= {*FOLDERS, *FILES}


def test_a_node_whose_folder_was_swapped_acknowledges_nothing_more_and_ends(
    served: Served, tmp_path: Path
) -> None:
    phantoms.write_ct(tmp_path / "ct", HU, AFFINE)
    phantoms.write_ct(tmp_path / "late", HU, AFFINE, study=2)
    assert storescu(served.port, "+sd", tmp_path / "ct")[0] == 0
    swap(served.node.data)
    acknowledged = storescu(served.port, "+sd", tmp_path / "late")[0] == 0
    kept = len(list((served.node.data / "inbox").glob(f"{phantoms.UID_ROOT}.2/*/*.dcm")))
    assert kept == HU.shape[2] or not acknowledged
    assert served.process is not None
    assert served.process.wait(30) == 6
    assert '"event": "data_folder_replaced"' in served.log()
    until(lambda: storescu(served.port, "+sd", tmp_path / "late")[0] != 0)
