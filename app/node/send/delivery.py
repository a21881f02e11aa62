"""Decides what a peer receives: the results, or a fallback encoding if it refuses the SEG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.node.peers.destination import Outgoing, Refused
from app.node.settings.peer import FallbackEncoding, Peer

SEG = "seg"
Make = Callable[[FallbackEncoding, Sequence[Outgoing]], Sequence[Outgoing]]
Store = Callable[[Sequence[Outgoing]], list[Refused]]


@dataclass(frozen=True)
class Delivered:
    """The instances that a peer has accepted, and a sentence about the others, or ''."""

    files: tuple[Outgoing, ...]
    sentence: str = ""


def deliver_result(files: Sequence[Outgoing], make: Make, peer: Peer, store: Store) -> Delivered:
    """Stores `files`; for each SEG that is refused for good, the first fallback that is accepted completely.

    `make` returns the files of a fallback encoding of some SEGs, or none if it does not exist. Other refusals
    are listed in the sentence. Raises TransientError, or OutputError if the peer accepts no form of a SEG, or
    nothing at all.
    """
    refused = store(files)
    refused_files = [each.file for each in refused]
    accepted = [file for file in files if file not in refused_files]
    segs = [file for file in refused_files if file.kind == SEG]
    fallbacks, left = send_fallbacks(segs, make, peer, store)
    if left:
        raise next(each.error for each in refused if each.file.kind == SEG)
    if not accepted and not fallbacks:
        raise refused[0].error
    return Delivered((*accepted, *fallbacks), sentence_of(refused, fallbacks, peer))


def send_fallbacks(
    segs: Sequence[Outgoing], make: Make, peer: Peer, store: Store
) -> tuple[list[Outgoing], list[Outgoing]]:
    """Sends for each SEG its first fallback encoding, in the peer's order, that is accepted completely.

    Returns the accepted files, and the SEGs of which no encoding was accepted. A study may contain CT and
    radiographs, whose SEGs have fewer fallback encodings.
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
    """Returns a sentence about the results that were refused, or ''."""
    codes: dict[str, str] = {}
    for each in refused:
        codes.setdefault(each.file.kind, each.error.code)
    names = [f"{kind} ({code})" for kind, code in codes.items()]
    sent = list(dict.fromkeys(file.kind for file in fallbacks))
    verb = "was" if len(sent) == 1 else "were"
    instead = f"; {' and '.join(sent)} {verb} sent instead of {SEG}" if sent else ""
    return f"not accepted by {peer.name}: {', '.join(names)}{instead}" if names else ""
