"""Hints to users name the right AE title, setting and command."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest

from app.cli.commands import app
from app.node.peers.destination import rejection_hint
from app.node.service.check import bound
from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer
from app.settings import ROOT

PACS = Peer(name="pacs", ae_title="ARCHIVE", host="h", receives=True)
NODE = NodeSettings(ae_title="BONES", host="10.9.9.9", port=104, peers=(PACS,))
TEXTS = [path for folder in ("app", "operators", "training") for path in (ROOT / folder).rglob("*.py")]


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        ((1, 3), "it does not know BONES, this node's AE title (setting ae_title): enter it in pacs"),
        ((1, 7), "its AE title is not ARCHIVE: correct ae_title of the peer pacs here"),
        ((3, 1), "it is busy, or accepts no more associations"),
        ((3, 2), "it is busy, or accepts no more associations"),
        ((1, 1), "does it know BONES, this node's AE title, and is its own ARCHIVE?"),
    ],
)
def test_a_rejection_names_the_title_that_is_wrong(reason: tuple[int, int], hint: str) -> None:
    assert rejection_hint(reason, PACS, NODE) == hint


@pytest.mark.parametrize(
    ("number", "code", "text"),
    [
        (errno.EADDRINUSE, 0, "port 104: in use, by this node if it is running"),
        (errno.EACCES, 2, "port 104: expected permission to listen on it; set `port` above 1023"),
        (errno.EADDRNOTAVAIL, 2, "port 104: expected `host` to be an address of this machine, got 10.9.9.9"),
    ],
)
def test_a_port_that_cannot_be_listened_on_is_told_apart(number: int, code: int, text: str) -> None:
    finding = bound(NODE, OSError(number, "no"))
    assert (finding.code, finding.sentence.removesuffix(": no")) == (code, text)


def test_every_command_that_a_sentence_names_is_one() -> None:
    named = {words for path in TEXTS for words in commands_in(path)}
    assert len(named) > 10
    for words in named:
        name, *rest = words.split()
        assert name in app.resolved_commands(), words
        if name in ("models", "config") and rest:
            assert rest[0] in app.resolved_commands()[name].resolved_commands(), words


def commands_in(path: Path) -> list[str]:
    """What stands behind `osteon` in backquotes, or behind a colon."""
    return re.findall(r"(?:`|: )osteon ([a-z]+(?: [a-z-]+)?)", path.read_text(encoding="utf-8"))
