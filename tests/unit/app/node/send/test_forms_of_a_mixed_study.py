"""Tests deliveries of studies without some kind of result, or with different fallback encodings."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from app.node.peers.destination import Outgoing, Refused
from app.node.send import sender
from app.node.send.delivery import deliver_result
from app.node.send.sender import NOTHING_TO_SEND, attempt, confirm
from app.node.send.sending_slots import SendingSlots
from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer
from app.node.watch.audit import AuditTrail
from operators.errors import OutputError

PACS = Peer(name="pacs", ae_title="PACS", host="127.0.0.1", receives=True, results=("seg",), commitment=True)


def outgoing(name: str, kind: str) -> Outgoing:
    return Outgoing(Path(name), "1", name, "1", kind)


CT, DX, REPORT = outgoing("ct", "seg"), outgoing("dx", "seg"), outgoing("report", "sr")
PICTURES = [outgoing("picture", "sc")]


def made(kind: str, segs: Sequence[Outgoing]) -> list[Outgoing]:
    """Makes fallback encodings; a radiograph has no RT Structure Set."""
    if kind == "sc":
        return PICTURES
    if kind == "rtstruct" and DX in segs:
        return []
    return [outgoing(f"{each.path}-{kind}", kind) for each in segs]


class Pacs:
    """A PACS that accepts some kinds of results."""

    def __init__(self, *kinds: str) -> None:
        self.kinds, self.got = kinds, list[str]()

    def store(self, files: Sequence[Outgoing]) -> list[Refused]:
        """Stores files of accepted kinds, and returns the refused ones."""
        self.got += [str(each.path) for each in files if each.kind in self.kinds]
        no = OutputError("expected it to take this, it does not", code="peer_refused")
        return [Refused(each, no) for each in files if each.kind not in self.kinds]


@pytest.mark.parametrize(
    ("segs", "takes", "got"),
    [
        ([CT, DX], ("labelmap",), ["ct-labelmap", "dx-labelmap"]),
        ([CT, DX], ("rtstruct", "sc"), ["ct-rtstruct", "picture"]),
        ([CT, DX], ("sc",), ["picture"]),
        ([DX], ("rtstruct", "sc"), ["picture"]),
    ],
)
def test_each_seg_is_sent_in_its_first_fallback_encoding_that_is_accepted(
    segs: list[Outgoing], takes: tuple[str, ...], got: list[str]
) -> None:
    pacs = Pacs("sr", *takes)
    done = deliver_result([*segs, REPORT], made, PACS, pacs.store)
    assert pacs.got == ["report", *got]
    assert [str(each.path) for each in done.files] == pacs.got
    assert "sent instead of seg" in done.sentence


def test_a_delivery_fails_if_no_encoding_of_one_seg_is_accepted() -> None:
    peer = PACS.model_copy(update={"instead": ("rtstruct",)})
    with pytest.raises(OutputError, match="expected it to take this"):
        deliver_result([CT, DX], made, peer, Pacs("rtstruct").store)


def test_a_missing_fallback_encoding_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from operators.dicom import fallback_encodings
    from operators.errors import UnsuitableError

    def refuse(*_: object) -> None:
        text = "expected a series in patient space, got a radiograph"
        raise UnsuitableError(text, code="no_frame_of_reference")

    monkeypatch.setattr(fallback_encodings, "write_fallback", refuse)
    assert sender.fallbacks(PACS, PICTURES, "rtstruct", [outgoing(str(tmp_path / "dx"), "seg")]) == []
    assert sender.fallbacks(PACS, PICTURES, "sc", []) == PICTURES


class Trail(AuditTrail):
    """An audit trail to which nothing may be written."""

    def __init__(self) -> None:
        pass

    def delivered(self, *_: object) -> None:
        raise AssertionError("expected no message, as nothing was sent")


def test_a_peer_without_results_is_sent_nothing_and_the_job_says_so(tmp_path: Path) -> None:
    settings = NodeSettings(data=tmp_path, peers=(PACS,))
    delivery: dict[str, Any] = {"job_id": "1.2-1", "peer": "pacs", "files": [], "captures": []}
    done = attempt(delivery, settings, Trail())
    assert (done.state, done.code, done.instances) == ("delivered", NOTHING_TO_SEND, 0)
    assert done.sentence == "pacs receives only seg, of which the study has none; nothing was sent to it"
    assert confirm(delivery, settings).state == "delivered"


def test_who_waits_for_a_slot_gets_it_by_place_then_as_they_came() -> None:
    slots, order = SendingSlots(1), list[tuple[int, int]]()

    def deliver(place: int, number: int) -> None:
        with slots.of("pacs", place):
            order.append((place, number))

    waiting = [(5, 0), (5, 1), (1, 2), (9, 3)]
    with slots.of("pacs"):
        threads = []
        for number, each in enumerate(waiting, 1):
            threads.append(threading.Thread(target=deliver, args=each))
            threads[-1].start()
            while len(slots.slots["pacs"].waiting) < number:
                pass
        with slots.of("archive"):
            assert not order
    for thread in threads:
        thread.join(10)
    assert order == [(1, 2), (5, 0), (5, 1), (9, 3)]
