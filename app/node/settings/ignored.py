"""Finds settings that have no effect because of others; valid, but rarely intended."""

from __future__ import annotations

from collections.abc import Callable

from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer

# For each setting of a peer: when it has no effect, and why
_OF_PEERS: tuple[tuple[str, Callable[[Peer], bool], str], ...] = (
    ("addresses", lambda peer: not peer.sends, "it has sends: false"),
    ("port", lambda peer: not peer.host, "it has no host"),
    ("results", lambda peer: peer.report is not None, "it receives reports"),
    ("instead", lambda peer: peer.report is not None, "it receives reports"),
    ("results", lambda peer: not peer.receives, "it does not have receives: true"),
    ("instead", lambda peer: not peer.receives, "it does not have receives: true"),
    ("instead", lambda peer: peer.receives and "seg" not in peer.results, "its results do not include seg"),
    ("commitment", lambda peer: not peer.receives, "it does not have receives: true"),
    ("stow", lambda peer: not peer.receives, "it does not have receives: true"),
    ("tls", lambda peer: not (peer.host or peer.stow), "it has no host, so nothing is sent to it"),
    ("sends", lambda peer: not (peer.sends or peer.receives), "it does not have receives: true either"),
)
_OF_NODE: tuple[tuple[str, Callable[[NodeSettings], bool], str], ...] = (
    ("watch_settled_s", lambda node: node.watch is None, "there is no watch"),
    ("workers", lambda node: "segment" not in node.roles, "roles do not include segment"),
    ("notice_findings", lambda node: not node.notice_url, "there is no notice_url"),
    ("read_ahead_mb", lambda node: "segment" not in node.roles, "roles do not include segment"),
)


def ignored_settings(node: NodeSettings) -> list[str]:
    """Returns a sentence for each setting that differs from its default but has no effect."""
    found = [
        f"{name} of peer {peer.name} has no effect, as {why}"
        for peer in node.peers
        for name, is_ignored, why in _OF_PEERS
        if is_ignored(peer) and getattr(peer, name) != Peer.model_fields[name].default
    ]
    return found + [
        f"{name} has no effect, as {why}"
        for name, is_ignored, why in _OF_NODE
        if is_ignored(node) and getattr(node, name) != NodeSettings.model_fields[name].default
    ]
