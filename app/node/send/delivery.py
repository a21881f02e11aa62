"""A delivery's content: the results that a peer gets, or a fallback encoding of a SEG that it refuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.node.peers.destination import Outgoing, Refused
from app.node.settings.configuration import FallbackEncoding, Peer

SEG = "seg"
Make = Callable[[FallbackEncoding, Sequence[Outgoing]], Sequence[Outgoing]]
Store = Callable[[Sequence[Outgoing]], list[Refused]]


@dataclass(frozen=True)
class Delivered:
    """The instances that a peer has taken, and a sentence about the rest; empty where it took all."""

    files: tuple[Outgoing, ...]
    sentence: str = ""


def deliver_result(files: Sequence[Outgoing], make: Make, peer: Peer, store: Store) -> Delivered:
    """Stores `files`; where SEGs are refused for good, the first form of each that the peer takes.

    `make` gives the files of a form of some SEGs, none where there is none of it. What else is refused is
    said. Raises TransientError, or OutputError where the peer takes no form of a SEG, or nothing.
    """
    refused = store(files)
    gone = [each.file for each in refused]
    taken = [file for file in files if file not in gone]
    segs = [file for file in gone if file.kind == SEG]
    fallbacks, left = send_fallbacks(segs, make, peer, store)
    if left:
        raise next(each.error for each in refused if each.file.kind == SEG)
    if not taken and not fallbacks:
        raise refused[0].error
    return Delivered((*taken, *fallbacks), sentence_of(refused, fallbacks, peer))


def send_fallbacks(
    segs: Sequence[Outgoing], make: Make, peer: Peer, store: Store
) -> tuple[list[Outgoing], list[Outgoing]]:
    """For each SEG the files of the first kind that the peer takes, in the order that it is set to.

    Returns what the peer has taken, and the SEGs in whose place it has taken nothing. The SEG of a radiograph
    has fewer forms than that of a CT, and both may be of one study.
    """
    sent, left = list[Outgoing](), list(segs)
    for kind in peer.fallbacks:
        made = {seg: files for seg in left if (files := make(kind, [seg]))}
        files = list(dict.fromkeys(file for each in made.values() for file in each))
        if files and not store(files):
            sent += files
            left = [seg for seg in left if seg not in made]
    return sent, left


def sentence_of(refused: Sequence[Refused], fallbacks: Sequence[Outgoing], peer: Peer) -> str:
    """For people, who look for what did not arrive."""
    kinds = dict.fromkeys(each.file.kind for each in refused)
    said = [f"{kind} ({each_code(refused, kind)})" for kind in kinds]
    went = " and ".join(dict.fromkeys(file.kind for file in fallbacks))
    placed = f"; {went} went in the place of {SEG}" if fallbacks else ""
    return f"not taken by {peer.name}: {', '.join(said)}{placed}" if said else ""


def each_code(refused: Sequence[Refused], kind: str) -> str:
    """Why a kind was refused."""
    return next(each.error.code for each in refused if each.file.kind == kind)
