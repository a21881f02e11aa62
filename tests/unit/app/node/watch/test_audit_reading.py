"""The trail is read from its end; what is no message, or is being written, is passed over."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.node.watch.audit import ACCOUNT_CHANGED, LOGIN, MINOR_FAILURE, SOURCE, USER_ACTIONS, AuditTrail
from app.node.watch.audit_message import Participant
from app.node.watch.audit_reading import latest, messages_about, rejections

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def trail(tmp_path: Path) -> AuditTrail:
    clock = iter(NOW + timedelta(hours=hour) for hour in range(100))
    return AuditTrail(tmp_path / "audit.xml", "OSTEON", lambda: next(clock))


def test_rejections_since_a_time_are_listed_latest_first(trail: AuditTrail) -> None:
    for number in range(5):
        trail.rejected(f"EVIL{number}", "X", "192.0.2.9", "unknown_calling_title", number)
    found = rejections(trail.path, NOW + timedelta(hours=2))
    assert [message.participants[-1] for message in found] == ["EVIL4", "EVIL3", "EVIL2"]
    assert found[0].address == "192.0.2.9"
    assert (
        found[0].detail == "association with X rejected: unknown_calling_title; 4 more since the last message"
    )


def test_messages_about_a_study_say_who_did_what(trail: AuditTrail) -> None:
    trail.received(Participant("CT1", "192.0.2.7", SOURCE, True), Counter({"1.2.3": 7, "1.2.33": 1}))
    trail.changed("1.2.3", 0, USER_ACTIONS["hold"], "ann")
    trail.deleted("1.2.33", "bob")
    hold, received = messages_about(trail.path, "1.2.3")
    assert (hold.kind, hold.participants[0], hold.outcome) == ("A queued job is held", "ann", "success")
    assert (received.event, received.participants, received.images) == (
        "DICOM Instances Transferred",
        ("CT1", "OSTEON"),
        7,
    )


def test_logins_and_changes_of_accounts_are_messages_too(trail: AuditTrail) -> None:
    trail.user(LOGIN, "ann", "192.0.2.1", MINOR_FAILURE)
    trail.user(ACCOUNT_CHANGED, "bob", "")
    changed, login = latest(trail.path, b"UserID")
    assert (login.event, login.kind, login.outcome) == ("User Authentication", "Login", "minor failure")
    assert (changed.kind, changed.participants[0]) == ("User Security Attributes Changed", "bob")
    assert rejections(trail.path, NOW) == []


def test_damaged_and_hostile_lines_are_passed_over(trail: AuditTrail) -> None:
    trail.deleted("1.2.3", "ann")
    bomb = b'<!DOCTYPE x [<!ENTITY a "b">]><AuditMessage><x y="1.2.3"/></AuditMessage>\n'
    lines = [bomb, b'<AuditMessage y="1.2.3"/>\n', b'<AuditMessage><x y="1.2.3"\n']
    trail.path.write_bytes(b"".join(lines[:2]) + trail.path.read_bytes() + lines[2])
    assert [message.event for message in messages_about(trail.path, "1.2.3")] == ["DICOM Study Deleted"]
    assert messages_about(trail.path.with_name("missing"), "1.2.3") == []


def test_only_the_end_of_a_long_trail_is_read(trail: AuditTrail) -> None:
    for number in range(20):
        trail.deleted(f"1.2.{number}", "ann")
    size = trail.path.stat().st_size // 20
    assert len(list(latest(trail.path, b"DICOM Study Deleted", 3 * size + 10))) == 3
