"""Rejected associations: each is counted, and logged only as often as the disk can bear."""

from __future__ import annotations

from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest
from structlog.testing import capture_logs

from app.node.receive.admission import (
    RECORDED_AT_ONCE,
    RECORDED_EVERY_S,
    Admission,
    Reason,
    Rejected,
    RejectionTeller,
    log_seldom,
)
from app.node.receive.association_request import HEAD_BYTES, AssociationRequest, request_of, with_spaces
from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer
from app.node.watch.audit import AuditTrail
from tests.support.faults.wire import association_request

EVIL = AssociationRequest("OSTEON", "\x1b[31m\nX\x9b\u202e", "192.0.2.9")


class Told:
    """A teller whose clock stands still unless it is moved."""

    def __init__(self, tmp_path: Path) -> None:
        self.now_s, self.registry = 0.0, CollectorRegistry()
        counter = Counter("rejected", "Rejected", ["reason"], registry=self.registry)
        self.trail = AuditTrail(tmp_path / "audit.xml", "OSTEON", lambda: datetime(2026, 1, 2, tzinfo=UTC))
        self.tell = RejectionTeller(counter, self.trail, log_seldom(lambda: self.now_s))

    def messages(self) -> list[ElementTree.Element]:
        return [ElementTree.fromstring(line) for line in self.trail.path.read_text().splitlines()]

    def count(self, reason: Reason) -> float | None:
        return self.registry.get_sample_value("rejected_total", {"reason": reason.value})


def test_log_audit_and_metrics_say_who_asked_whom_from_where_and_why_not(tmp_path: Path) -> None:
    told = Told(tmp_path)
    with capture_logs() as logs:
        told.tell(Rejected(EVIL, Reason.CALLING_TITLE))
    (line,) = logs
    assert (line["called_ae"], line["address"], line["reason"]) == (
        "OSTEON",
        "192.0.2.9",
        "unknown_calling_title",
    )
    (message,) = told.messages()
    codes = [each.get("csd-code") for each in message.iter() if each.get("csd-code")]
    assert codes[:2] == ["110113", "110126"]
    assert message.findall("ActiveParticipant")[1].get("NetworkAccessPointID") == "192.0.2.9"
    detail = message.find("ParticipantObjectIdentification/ParticipantObjectDetail")
    assert detail is not None
    assert b"unknown_calling_title" in b64decode(str(detail.get("value")))
    for text in (line["calling_ae"], told.trail.path.read_text().rstrip("\n")):
        assert text.isprintable()
    assert told.count(Reason.CALLING_TITLE) == 1


def test_a_flood_fills_neither_log_nor_audit_and_is_counted_whole(tmp_path: Path) -> None:
    told = Told(tmp_path)
    with capture_logs() as logs:
        for _ in range(10_000):
            told.tell(Rejected(EVIL, Reason.ADDRESS))
        assert len(logs) == len(told.messages()) == RECORDED_AT_ONCE
        told.now_s += RECORDED_EVERY_S
        told.tell(Rejected(EVIL, Reason.ADDRESS))
    assert len(logs) == len(told.messages()) == RECORDED_AT_ONCE + 1
    assert logs[-1]["not_logged_before"] == 10_000 - RECORDED_AT_ONCE
    assert told.count(Reason.ADDRESS) == 10_001


def test_no_label_of_the_metrics_is_a_peers_text(tmp_path: Path) -> None:
    told = Told(tmp_path)
    for reason in Reason:
        for n in range(50):
            told.tell(Rejected(AssociationRequest(f"A{n}", f"B{n}", f"192.0.2.{n}"), reason))
    lines = [each for each in generate_latest(told.registry).decode().splitlines() if "_total{" in each]
    assert len(lines) == len(Reason)


@pytest.mark.parametrize(
    ("called", "calling", "address", "reason"),
    [
        ("OSTEON", "CT1", "192.0.2.7", None),
        ("OSTEON", "CT1", "192.0.2.8", Reason.ADDRESS),
        ("OSTEON", "CT2", "192.0.2.8", None),
        ("OSTEON", "DUMB", "192.0.2.7", Reason.CALLING_TITLE),
        ("OSTEON", "ct1", "192.0.2.7", Reason.CALLING_TITLE),
        ("OSTEON2", "CT1", "192.0.2.7", Reason.CALLED_TITLE),
    ],
)
def test_who_is_admitted(called: str, calling: str, address: str, reason: Reason | None) -> None:
    peers = (
        Peer(name="ct1", ae_title="CT1", addresses=("192.0.2.7",)),
        Peer(name="ct2", ae_title="CT2"),
        Peer(name="dumb", ae_title="DUMB", sends=False),
    )
    admission = Admission(NodeSettings(peers=peers), lambda _: None)
    assert admission.refusal(AssociationRequest(called, calling, address)) is reason


def test_titles_padded_with_nul_become_titles_padded_with_spaces() -> None:
    padded = association_request(padding=b"\0")
    assert request_of(padded[:HEAD_BYTES], "") == AssociationRequest("OSTEON", "CT1", "")
    assert with_spaces(padded) == association_request()
