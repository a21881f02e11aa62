"""Whether destinations answer, by C-ECHO or HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from app.node.peers import destination
from app.node.reports import destination as reports
from app.node.send import dicomweb_destination as stow_destination
from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer
from operators.errors import OsteonError


@dataclass(frozen=True)
class PeerState:
    """The outcome of the latest test of a destination; `sentence` says why it failed."""

    peer: str
    at: datetime
    seconds: float
    sentence: str = ""

    @property
    def is_well(self) -> bool:
        """Returns whether it answered."""
        return not self.sentence


def echo(peer: Peer, node: NodeSettings) -> None:
    """Asks a destination for an answer. Raises OsteonError if it gives none."""
    if peer.report is not None:
        reports.echo(peer, node)
    else:
        (stow_destination if peer.stow else destination).echo(peer, node)


class PeerStates:
    """The latest test of each destination."""

    def __init__(self, node: NodeSettings, ask: Callable[[Peer, NodeSettings], None] = echo) -> None:
        self.node, self.ask = node, ask
        self.known: dict[str, PeerState] = {}

    def look(self) -> None:
        """Tests all destinations, one after the other."""
        for peer in self.node.destinations:
            self.test(peer)

    def test(self, peer: Peer) -> PeerState:
        """Tests one destination and returns the outcome."""
        began_s, sentence = time.monotonic(), ""
        try:
            self.ask(peer, self.node)
        except OsteonError as error:
            sentence = str(error)
        state = PeerState(peer.name, datetime.now(UTC), time.monotonic() - began_s, sentence)
        self.known = self.known | {peer.name: state}
        return state
