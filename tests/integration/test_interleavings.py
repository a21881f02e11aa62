"""Receivers that store the same instance at the same moment, in every order of their calls."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.node.inbox import Inbox, Outcome
from app.node.recovery import recover
from operators.dicom.file_meta import file_head
from operators.dicom.instance_identity import Instance
from tests.integration.interleavings import Explorer, Inline, Killed, Scene, files

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
            is_victim = failed and self.may_fail(n)
            assert isinstance(actor.outcome, Outcome) or (is_victim and isinstance(actor.outcome, OSError))
        self.check_kept(self.contents)
        assert failed or not self.inboxes[0].unfinished()
        assert len({os.stat(path).st_ino for path in self.stored()}) == len(self.stored())

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
        """What was acknowledged is there, what is there is whole, and equal content is no conflict."""
        final = self.inboxes[0].place(INSTANCE).path
        first = final.read_bytes() if final.exists() else None
        conflicts = [path.read_bytes() for path in files(self.inboxes[0].conflicts)]
        assert first in (None, *offered)
        assert set(conflicts) <= set(offered)
        for actor, content in zip(self.actors, self.contents, strict=False):
            if actor.outcome in (Outcome.STORED, Outcome.DUPLICATE):
                assert first == content
            elif actor.outcome is Outcome.CONFLICT:
                assert content in conflicts
                assert first not in (None, content)


def scene(contents: tuple[bytes, ...], is_new: bool = False) -> Callable[[Path], Scene]:
    return lambda root: Commits(root, contents, is_new)


@pytest.mark.parametrize("is_new", [False, True], ids=["known series", "new series"])
@pytest.mark.parametrize("contents", [(SAME, SAME), (SAME, OTHER)], ids=["equal", "other"])
def test_two_receivers_of_one_instance_agree_whatever_fails(
    memory: Path, contents: tuple[bytes, ...], is_new: bool
) -> None:
    found = Explorer(memory, scene(contents, is_new)).explore()
    print(found)
    assert found.ends > 10


def test_three_receivers_of_one_instance_agree(memory: Path) -> None:
    found = Explorer(memory, scene((SAME, SAME, OTHER)), crash=False).explore()
    print(found)
    assert found.ends > 10
