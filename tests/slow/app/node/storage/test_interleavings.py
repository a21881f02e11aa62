"""Receivers that store the same instance at once, in every order of their system calls."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.node.storage.inbox import Inbox, InboxOutcome
from app.node.storage.pending_file import PendingFile, Place
from app.node.storage.recovery import recover
from operators.dicom.elements.file_meta import file_head
from operators.dicom.elements.instance_identity import Instance
from tests.support.faults.interleavings import Explorer, Inline, Killed, Scene, files

INSTANCE = Instance("1.2", "1.2.3", "1.2.3.4", "1.2.840.10008.5.1.4.1.1.2")
HEAD = file_head(INSTANCE.sop_class_uid, "1.2.3.4", "1.2.840.10008.1.2", "CT1")
SAME, OTHER = HEAD + b"same content", HEAD + b"other"


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory: thousands of scenes are made and removed."""
    folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    yield folder
    shutil.rmtree(folder)


class Commits(Scene):
    """Each actor is a process with an inbox of its own, which stores one instance of the same name."""

    def __init__(self, root: Path, contents: tuple[bytes, ...], is_new: bool) -> None:
        self.contents = contents
        self.inboxes = [Inbox(root, f"process-{n}") for n in range(len(contents))]
        for inbox in self.inboxes:
            inbox.syncs = Inline()
        if not is_new:
            for inbox in self.inboxes:
                inbox.place(INSTANCE).folder.mkdir(parents=True, exist_ok=True)
                with inbox._folder(inbox.place(INSTANCE).folder):
                    pass
        super().__init__(root)

    def parts(self) -> list[Callable[[], Any]]:
        """A commit each."""
        calls: list[Callable[[], Any]] = []
        for inbox, content in zip(self.inboxes, self.contents, strict=True):
            part = inbox.new_part()
            part.write_bytes(content)
            calls.append(partial(inbox.commit, part, INSTANCE))
        return calls

    def check_end(self, failed: bool) -> None:
        for n, actor in enumerate(self.actors[: len(self.contents)]):
            is_victim = failed and n in self.failing
            assert isinstance(actor.outcome, InboxOutcome) or (
                is_victim and isinstance(actor.outcome, OSError)
            )
        self.check_kept(self.contents)
        assert failed or not self.inboxes[0].unfinished()
        assert len({path.stat().st_ino for path in self.stored()}) == len(self.stored())

    def check_crash(self, power: bool) -> None:
        for inbox in self.inboxes:
            inbox.own = None
        if power:
            self.tear()
        recover(self.root)
        self.check_kept(self.contents)
        assert not self.inboxes[0].unfinished()

    def stored(self) -> list[Path]:
        return [*self.inboxes[0].studies.rglob("*.dcm"), *self.inboxes[0].conflicts.rglob("*.dcm")]

    def check_kept(self, offered: tuple[bytes, ...]) -> None:
        """Acknowledged instances are present, files are complete, and equal content is not a conflict."""
        final = self.inboxes[0].place(INSTANCE).path
        first = final.read_bytes() if final.exists() else None
        conflicts = [path.read_bytes() for path in files(self.inboxes[0].conflicts)]
        assert first in (None, *offered)
        assert set(conflicts) <= set(offered)
        for actor, content in zip(self.actors, self.contents, strict=False):
            if actor.outcome in (InboxOutcome.STORED, InboxOutcome.DUPLICATE):
                assert first == content
            elif actor.outcome is InboxOutcome.CONFLICT:
                assert content in conflicts
                assert first not in (None, content)


class WithRecovery(Commits):
    """One of two receivers may be killed; a third process starts, and recovers, at any moment."""

    def parts(self) -> list[Callable[[], Any]]:
        return [*super().parts(), partial(recover, self.root)]

    @property
    def failing(self) -> tuple[int, ...]:
        return ()

    @property
    def mortal(self) -> tuple[int, ...]:
        return (0,)

    def killed(self, actor: int) -> None:
        self.inboxes[actor].own = None

    def check_end(self, failed: bool) -> None:
        if failed:
            assert self.actors[0].outcome is Killed
            recover(self.root)
        assert isinstance(self.actors[1].outcome, InboxOutcome)
        assert isinstance(self.actors[2].outcome, int)
        self.check_kept(self.contents)
        assert not self.inboxes[0].unfinished()


class AfterKill(WithRecovery):
    """One receiver was killed between the link and its end; another one recovers while a third stores."""

    def __init__(self, root: Path, contents: tuple[bytes, ...], is_new: bool) -> None:
        super().__init__(root, contents, is_new)
        killed = Inbox(root, "killed")
        part = killed.new_part()
        part.write_bytes(contents[0])
        pending, place = PendingFile(part), killed.place(INSTANCE)
        pending.rename_for(place)
        os.link(pending.path, place.path)
        os.close(pending.descriptor)

    @property
    def mortal(self) -> tuple[int, ...]:
        return ()

    def check_end(self, failed: bool) -> None:
        assert self.actors[0].outcome is InboxOutcome.DUPLICATE
        assert self.actors[1].outcome == 1
        Commits.check_end(self, failed)


class WithRetention(Commits):
    """The study's folder is moved away, and what nobody knew of is put back, as retention does."""

    def parts(self) -> list[Callable[[], Any]]:
        return [*super().parts(), self.move]

    @property
    def failing(self) -> tuple[int, ...]:
        return ()

    def move(self) -> None:
        folder, trash = self.inboxes[0].studies / "1.2", self.root / "trash"
        folder.rename(trash)
        for path in trash.rglob("*.dcm"):
            final = folder / path.relative_to(trash)
            for each in (folder, final.parent):
                with suppress(FileExistsError):
                    each.mkdir()
            with suppress(FileExistsError):
                os.link(path, final)

    def check_end(self, failed: bool) -> None:
        assert self.actors[-1].outcome is None, self.actors[-1].outcome
        shutil.rmtree(self.root / "trash")
        super().check_end(failed)


def scene(
    contents: tuple[bytes, ...], is_new: bool = False, kind: type[Commits] = Commits
) -> Callable[[Path], Scene]:
    """Makes it for each history."""
    return lambda root: kind(root, contents, is_new)


# Contents, whether the series is new, who else is there, whether each state is crashed in, least of states
SCENES = {
    "equal": (scene((SAME, SAME)), True, 300),
    "other": (scene((SAME, OTHER)), True, 300),
    "equal, moved": (scene((SAME,), kind=WithRetention), False, 100),
    "equal, after a kill": (scene((SAME,), kind=AfterKill), True, 300),
}
# Minutes instead of seconds
MORE_SCENES = {
    "equal, new series": (scene((SAME, SAME), is_new=True), True, 3000),
    "other, new series": (scene((SAME, OTHER), is_new=True), True, 3000),
    "three": (scene((SAME, SAME, OTHER)), False, 9000),
    "equal, one killed": (scene((SAME, SAME), kind=WithRecovery), False, 9000),
    "two, moved": (scene((SAME, SAME), kind=WithRetention), False, 1000),
}
if os.environ.get("OSTEON_TEST_INTERLEAVINGS") == "all":
    SCENES |= MORE_SCENES


@pytest.mark.parametrize("name", SCENES)
def test_receivers_of_one_instance_agree_in_every_order_of_their_calls(memory: Path, name: str) -> None:
    make, crash, least = SCENES[name]
    found = Explorer(memory, make, crash).explore()
    print(name, found)
    assert found.states >= least


def without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A receiver that is done believes what it finds."""
    monkeypatch.setattr(PendingFile, "lock", lambda _: None)


def without_own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """One pending name for all receivers of an instance, in one folder."""
    monkeypatch.setattr(PendingFile, "rename_for", rename_for_all)


def rename_for_all(pending: PendingFile, place: Place) -> None:
    path = pending.path.parent.parent / f"{place.study}_{place.series}_{place.name}_{pending.size}.whole"
    pending.path.rename(path)
    pending.path = path


def without_compared_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits does not look whether the name still leads to the same file."""
    monkeypatch.setattr("app.node.storage.inbox.leads_to", lambda *_: True)


@pytest.mark.parametrize("fault", [without_waiting, without_own_names, without_compared_identity])
def test_the_explorer_finds_what_each_part_of_the_protocol_is_for(
    memory: Path, monkeypatch: pytest.MonkeyPatch, fault: Callable[[pytest.MonkeyPatch], None]
) -> None:
    fault(monkeypatch)
    with pytest.raises(AssertionError):
        Explorer(memory, scene((SAME, SAME)), True).explore()
