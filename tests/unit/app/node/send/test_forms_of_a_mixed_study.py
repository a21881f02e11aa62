"""Deliveries of studies that lack a kind of result, or whose SEGs have different forms."""

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
from app.node.settings.configuration import NodeSettings, Peer
from operators.errors import OutputError

PACS = Peer(name="pacs", ae_title="PACS", host="127.0.0.1", receives=True, results=("seg",), commitment=True)


def outgoing(name: str, kind: str) -> Outgoing:
    return Outgoing(Path(name), "1", name, "1", kind)


CT, DX, REPORT = outgoing("ct", "seg"), outgoing("dx", "seg"), outgoing("report", "sr")
PICTURES = [outgoing("picture", "sc")]


def made(kind: str, segs: Sequence[Outgoing]) -> list[Outgoing]:
    """The forms that there are: a radiograph has no RT Structure Set."""
    if kind == "sc":
        return PICTURES
    if kind == "rtstruct" and DX in segs:
        return []
    return [outgoing(f"{each.path}-{kind}", kind) for each in segs]


class Pacs:
    """Takes some kinds."""

    def __init__(self, *kinds: str) -> None:
        self.kinds, self.got = kinds, list[str]()

    def store(self, files: Sequence[Outgoing]) -> list[Refused]:
        """Of each file that it does not take the reason."""
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
def test_each_seg_has_the_first_form_that_there_is_and_that_is_taken(
    segs: list[Outgoing], takes: tuple[str, ...], got: list[str]
) -> None:
    pacs = Pacs("sr", *takes)
    done = deliver_result([*segs, REPORT], made, PACS, pacs.store)
    assert pacs.got == ["report", *got]
    assert [str(each.path) for each in done.files] == pacs.got
    assert "sent instead of seg" in done.sentence


def test_a_delivery_fails_where_one_seg_has_no_form_that_is_taken() -> None:
    peer = PACS.model_copy(update={"instead": ("rtstruct",)})
    with pytest.raises(OutputError, match="expected it to take this"):
        deliver_result([CT, DX], made, peer, Pacs("rtstruct").store)


def test_a_form_that_there_is_not_of_a_seg_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from operators.dicom import fallback_encodings
    from operators.errors import UnsuitableError

    def refuse(*_: object) -> None:
        raise UnsuitableError("expected a series in patient space, got a radiograph")

    monkeypatch.setattr(fallback_encodings, "write_fallback", refuse)
    assert sender.fallbacks(PACS, PICTURES, "rtstruct", [outgoing(str(tmp_path / "dx"), "seg")]) == []
    assert sender.fallbacks(PACS, PICTURES, "sc", []) == PICTURES


class Trail:
    """An audit trail in which nothing may be written."""

    def delivered(self, *_: object) -> None:
        raise AssertionError("expected no message: nothing has left")


def test_a_destination_of_which_there_is_no_result_gets_nothing_and_the_job_says_so(tmp_path: Path) -> None:
    settings = NodeSettings(data=tmp_path, peers=(PACS,))
    delivery: dict[str, Any] = {"job_id": "1.2-1", "peer": "pacs", "files": [], "captures": []}
    done = attempt(delivery, settings, Trail())
    assert (done.state, done.code, done.instances) == ("delivered", NOTHING_TO_SEND, 0)
    assert done.sentence == "pacs gets seg, of which the study has none: nothing was sent to it"
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
