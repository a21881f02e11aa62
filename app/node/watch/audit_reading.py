"""Reads the latest messages of the audit trail, which is a growing file, from its end."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

from app.node.watch.audit import NODE_AUTHENTICATION

# Two days of rejections at their highest rate
MOST_BYTES = 32 << 20
# What the node itself writes has none of these; they would let a message refer to others (XXE)
FORBIDDEN = (b"<!DOCTYPE", b"<!ENTITY")
OUTCOMES = {"0": "success", "4": "minor failure", "8": "failure", "12": "major failure"}
TITLES = "AETITLES="


@dataclass(frozen=True)
class AuditMessage:
    """A message: when, what, with which outcome, by whom and from where, and details in words."""

    at: datetime
    event: str
    kind: str
    outcome: str
    participants: tuple[str, ...]
    address: str = ""
    images: int = 0
    detail: str = ""


def rejections(path: Path, since: datetime) -> list[AuditMessage]:
    """Returns the rejected associations since a time, latest first."""
    code = f'"{NODE_AUTHENTICATION[0]}"'.encode()
    return [message for message in latest(path, code) if message.at >= since]


def messages_about(path: Path, study_instance_uid: str) -> list[AuditMessage]:
    """Returns the messages about a study, latest first."""
    return list(latest(path, f'"{study_instance_uid}"'.encode()))


def latest(path: Path, holding: bytes, most_bytes: int = MOST_BYTES) -> Iterator[AuditMessage]:
    """Yields the messages in the last `most_bytes` of the trail that hold some bytes, latest first.

    Lines that are no messages are passed over, such as one that is being written.
    """
    for line in reversed(_tail(path, most_bytes).split(b"\n")):
        if holding in line and not any(each in line for each in FORBIDDEN):
            try:
                yield _message(ElementTree.fromstring(line))  # noqa: S314 (no entities, see FORBIDDEN)
            except (ElementTree.ParseError, ValueError, AttributeError, KeyError):
                continue


def _tail(path: Path, most_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - most_bytes))
            return file.read()
    except OSError:
        return b""


def _message(root: ElementTree.Element) -> AuditMessage:
    event = root.find("EventIdentification")
    if event is None:
        raise ValueError("expected an audit message, got other XML")
    who = root.findall("ActiveParticipant")
    count = root.find(".//SOPClass")
    detail = root.find(".//ParticipantObjectDetail")
    return AuditMessage(
        datetime.fromisoformat(event.attrib["EventDateTime"]),
        _meaning(event.find("EventID")),
        _meaning(event.find("EventTypeCode")),
        OUTCOMES.get(event.attrib["EventOutcomeIndicator"], ""),
        tuple(_name(each) for each in who),
        next((each.get("NetworkAccessPointID", "") for each in who if each.get("NetworkAccessPointID")), ""),
        0 if count is None else int(count.get("NumberOfInstances", 0)),
        "" if detail is None else b64decode(detail.get("value", "")).decode("utf-8", "replace"),
    )


def _meaning(code: ElementTree.Element | None) -> str:
    return "" if code is None else code.get("originalText", "")


def _name(participant: ElementTree.Element) -> str:
    """Returns the AE title of a participant, or the name of a user."""
    title = participant.get("AlternativeUserID", "")
    return title.removeprefix(TITLES) if title.startswith(TITLES) else participant.get("UserID", "")
