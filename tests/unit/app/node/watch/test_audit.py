"""The audit trail records who, what, when and where to, in the order of PS3.15 A.5.1, without patients."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from structlog.testing import capture_logs

from app.node.watch.audit import FAILED, SOURCE, STARTED, STOPPED, SUCCEEDED, AuditTrail
from app.node.watch.audit_message import Participant

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
CT1 = Participant("CT1", "192.0.2.7", SOURCE, True)
PACS = Participant("PACS", "192.0.2.8", ("110152", "Destination Role ID"), False)


@pytest.fixture
def trail(tmp_path: Path) -> AuditTrail:
    return AuditTrail(tmp_path / "audit.xml", "OSTEON", lambda: NOW)


def messages(trail: AuditTrail) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(line) for line in trail.path.read_text().splitlines()]


def code(element: ElementTree.Element, path: str) -> str | None:
    found = element.find(path)
    return None if found is None else found.get("csd-code")


def test_start_and_stop_are_told(trail: AuditTrail) -> None:
    trail.application(STARTED)
    trail.application(STOPPED)
    kinds = [code(message, "EventIdentification/EventTypeCode") for message in messages(trail)]
    assert kinds == ["110120", "110121"]
    assert {code(m, "EventIdentification/EventID") for m in messages(trail)} == {"110100"}


def test_what_came_names_sender_address_studies_and_counts(trail: AuditTrail) -> None:
    trail.received(CT1, {"1.2.3": 274, "1.2.4": 2})
    (message,) = messages(trail)
    event = message.find("EventIdentification")
    assert event is not None
    assert (event.get("EventActionCode"), event.get("EventOutcomeIndicator")) == ("C", "0")
    assert event.get("EventDateTime") == "2026-01-02T03:04:05.678+00:00"
    source, target = message.findall("ActiveParticipant")
    assert source.get("AlternativeUserID") == "AETITLES=CT1"
    assert source.get("NetworkAccessPointID") == "192.0.2.7"
    assert (code(source, "RoleIDCode"), code(target, "RoleIDCode")) == ("110153", "110152")
    assert (source.get("UserIsRequestor"), target.get("UserIsRequestor")) == ("true", "false")
    objects = message.findall("ParticipantObjectIdentification")
    counts = [each.find("ParticipantObjectDescription/SOPClass") for each in objects]
    assert [each.get("ParticipantObjectID") for each in objects] == ["1.2.3", "1.2.4"]
    assert [each is not None and each.get("NumberOfInstances") for each in counts] == ["274", "2"]


@pytest.mark.parametrize(("host", "kind"), [("192.0.2.8", "2"), ("2001:db8::8", "2"), ("pacs.example", "1")])
def test_an_address_is_told_from_a_name(trail: AuditTrail, host: str, kind: str) -> None:
    trail.delivered(Participant("PACS", host, PACS.role, False), "1.2.3", 1, SUCCEEDED)
    (message,) = messages(trail)
    _, target = message.findall("ActiveParticipant")
    assert (target.get("NetworkAccessPointID"), target.get("NetworkAccessPointTypeCode")) == (host, kind)


@pytest.mark.parametrize("outcome", [SUCCEEDED, FAILED])
def test_what_went_out_names_destination_and_outcome(trail: AuditTrail, outcome: int) -> None:
    trail.delivered(PACS, "1.2.3", 1, outcome)
    (message,) = messages(trail)
    event = message.find("EventIdentification")
    assert event is not None
    assert (event.get("EventActionCode"), event.get("EventOutcomeIndicator")) == ("R", str(outcome))


def test_the_parts_of_a_message_are_in_the_order_of_the_schema(trail: AuditTrail) -> None:
    trail.application(STARTED)
    trail.received(CT1, {"1.2.3": 1})
    started, received = ([each.tag for each in message] for message in messages(trail))
    assert started == ["EventIdentification", "ActiveParticipant", "AuditSourceIdentification"]
    assert received == [
        "EventIdentification",
        "ActiveParticipant",
        "ActiveParticipant",
        "AuditSourceIdentification",
        "ParticipantObjectIdentification",
    ]


def test_titles_cannot_forge_a_message(trail: AuditTrail) -> None:
    trail.received(Participant('A"/>\n<AuditMessage>', "192.0.2.7", SOURCE, True), {"1.2.3": 1})
    (message,) = messages(trail)
    source = message.find("ActiveParticipant")
    assert source is not None
    assert source.get("AlternativeUserID") == 'AETITLES=A"/>\n<AuditMessage>'


def test_lines_of_many_writers_do_not_mix(trail: AuditTrail) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: trail.received(CT1, {f"1.2.{n}": n}), range(400)))
    assert len(messages(trail)) == 400


def test_only_the_owner_may_read_it(trail: AuditTrail) -> None:
    trail.application(STARTED)
    assert trail.path.stat().st_mode & 0o777 == 0o600


def test_a_trail_that_cannot_be_written_is_told_and_stops_nothing(tmp_path: Path) -> None:
    trail = AuditTrail(tmp_path / "missing" / "audit.xml", "OSTEON", lambda: NOW)
    with capture_logs() as logs:
        trail.received(CT1, {"1.2.3": 1})
    (told,) = logs
    assert told["event"] == "audit_not_written"
    assert "1.2.3" in told["message"]
