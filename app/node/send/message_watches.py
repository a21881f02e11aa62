"""Leaves messages of a full disk and of destinations that do not answer, and when they are well again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from app.node.send.message_events import now_iso
from app.node.send.message_outbox import Message, outbox, put
from app.node.send.peer_states import PeerStates
from app.node.settings.configuration import NodeSettings
from app.node.storage.disk import Disk
from app.node.storage.json_file import read_json, write_json

# A destination that does not answer this many times in a row is down
MISSES = 2


def note_change(node: NodeSettings, name: str, is_bad: bool, message: Callable[[], Message]) -> None:
    """Leaves a message if `is_bad` has changed; the first state is news only if it is bad.

    What was told last is a file, and so survives a restart. Its number is part of the message's key: a crash
    between the message and the file makes it once. Raises UnwritableError.
    """
    path = outbox(node.data) / f"state-{name}"
    try:
        known = read_json(path)
    except (OSError, ValueError):
        known = {}
    was_bad, number = bool(known.get("is_bad")), int(known.get("number", 0))
    if is_bad != was_bad:
        put(node, message(), f"{name}_{number + 1}")
        write_json(path, {"is_bad": is_bad, "number": number + 1})


class DiskWatch:
    """Tells of a disk on which nothing is received any more, and when there is room again."""

    def __init__(self, node: NodeSettings, disk: Disk) -> None:
        self.node, self.disk = node, disk

    def look(self) -> None:
        """Compares the latest look at the disk with what was told. Raises UnwritableError."""
        if self.disk.free_bytes is not None:
            note_change(self.node, "disk", self.disk.is_low, self.message)

    def message(self) -> Message:
        """Returns the message of the present state."""
        is_low, figures = self.disk.is_low, self.disk.figures()
        what = "the disk is full, nothing is received" if is_low else "the disk has room again"
        sentence = f"{figures['free_mb']} MB are free, {figures['minimum_free_mb']} MB are needed"
        return Message("disk", what, sentence, now_iso(), state="low" if is_low else "well")


class PeerWatch:
    """Tells of destinations that do not answer, and when they answer again."""

    def __init__(self, node: NodeSettings, states: PeerStates | None = None) -> None:
        self.node, self.states = node, states or PeerStates(node)
        self.misses: dict[str, int] = {}

    def look(self) -> None:
        """Tests every destination. Raises UnwritableError."""
        for peer in self.node.destinations:
            state = self.states.test(peer)
            misses = 0 if state.is_well else self.misses.get(peer.name, 0) + 1
            self.misses[peer.name] = misses
            if state.is_well or misses >= MISSES:
                said = state.sentence or f"it answered after {state.seconds:.1f} s"
                message = partial(peer_message, peer.name, not state.is_well, said)
                note_change(self.node, f"peer-{peer.name}", not state.is_well, message)


def peer_message(peer: str, is_down: bool, sentence: str) -> Message:
    """Returns the message of a peer's new state."""
    what = f"{peer} does not answer" if is_down else f"{peer} answers again"
    return Message("peer", what, sentence, now_iso(), state="down" if is_down else "well", peer=peer)
