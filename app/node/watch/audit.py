"""The audit trail: what was received and what was sent, as PS3.15 A.5 messages, one per line.

Studies are identified by UID only, without patient data, so that system administrators may read the file.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from itertools import starmap
from pathlib import Path
from xml.etree import ElementTree

import structlog

from app.node.settings.configuration import NodeSettings
from app.node.watch.audit_message import (
    DCM,
    Participant,
    coded,
    participant,
    participant_object,
    set_address,
    study,
    user,
)

log = structlog.get_logger()

# PS3.16 CID 400, 402, 404 and PS3.15 A.5.3
APPLICATION, APPLICATION_ACTIVITY = ("110150", "Application"), ("110100", "Application Activity")
TRANSFERRED = ("110104", "DICOM Instances Transferred")
ACCESSED = ("110103", "DICOM Instances Accessed")
EXPORTED = ("110106", "Export")
STUDY_DELETED = ("110105", "DICOM Study Deleted")
STARTED, STOPPED = ("110120", "Application Start"), ("110121", "Application Stop")
SOURCE, DESTINATION = ("110153", "Source Role ID"), ("110152", "Destination Role ID")
SECURITY_ALERT, NODE_AUTHENTICATION = ("110113", "Security Alert"), ("110126", "Node Authentication")
NODE_ID = ("110182", "Node ID")
USER_AUTHENTICATION = ("110114", "User Authentication")
ACCOUNT_CHANGED = ("110137", "User Security Attributes Changed")
LOGIN, LOGOUT = ("110122", "Login"), ("110123", "Logout")
SUCCEEDED, MINOR_FAILURE, FAILED = 0, 4, 8
# Changes to a study's instances, for which DICOM has no codes
OWN_SCHEME = "99OSTEON"
CORRECTED = ("correction", "Later versions are used")
REPLACED = ("replace", "A corrected result is sent in place of the results before")
EDITED = ("corrected-result", "A corrected result is filed")
# What users do with a job or a conflict; a deletion has its own event
USER_ACTIONS = {
    "accept": ("accept", "Later versions are to be used"),
    "dismiss": ("dismiss", "Former versions are to be kept"),
    "retry": ("retry", "A job is restarted"),
    "cancel": ("cancel", "A job is cancelled"),
    "send-now": ("send-now", "A pause is ended"),
    "hold": ("hold", "A queued job is held"),
    "release": ("release", "A held job is released"),
    "raise": ("raise", "A queued job goes before all others"),
    "withdraw": ("withdraw", "Results are withdrawn from all destinations"),
}


class AuditTrail:
    """Appends messages to a file; each line is one write, so that several processes may share it."""

    def __init__(self, path: Path, ae_title: str, now: Callable[[], datetime]) -> None:
        self.path, self.ae_title, self.now = path, ae_title, now

    def application(self, kind: tuple[str, str]) -> None:
        """Records that the node starts or stops."""
        self._write(self._event(APPLICATION_ACTIVITY, "E", SUCCEEDED, kind), [self._us(APPLICATION)])

    def received(self, peer: Participant, images: Mapping[str, int]) -> None:
        """Records how many images of each study a peer sent."""
        participants = [participant(peer), self._us(DESTINATION)]
        self._write(self._event(TRANSFERRED, "C", SUCCEEDED), participants, starmap(study, images.items()))

    def delivered(self, peer: Participant, study_instance_uid: str, instances: int, outcome: int) -> None:
        """Records the outcome of a delivery to a peer."""
        participants = [self._us(SOURCE, is_requestor=True), participant(peer)]
        event = self._event(TRANSFERRED, "R", outcome)
        self._write(event, participants, [study(study_instance_uid, instances)])

    def reported(self, peer: Participant, study_instance_uid: str, outcome: int) -> None:
        """Records the outcome of sending a report, which is no DICOM instance, to a peer."""
        participants = [self._us(SOURCE, is_requestor=True), participant(peer)]
        self._write(self._event(EXPORTED, "R", outcome), participants, [study(study_instance_uid)])

    def rejected(
        self, calling_ae: str, called_ae: str, address: str, reason: str, held_back: int = 0
    ) -> None:
        """Records a rejected association, and how many before it were not recorded (PS3.15 A.5.3.11)."""
        peer = participant(Participant(calling_ae, address, SOURCE, True))
        node = participant_object(address or "unknown", "13", NODE_ID)
        text = f"association with {called_ae} rejected: {reason}; {held_back} more since the last message"
        value = b64encode(text.encode()).decode()
        ElementTree.SubElement(node, "ParticipantObjectDetail", type="Alert Description", value=value)
        event = self._event(SECURITY_ALERT, "E", MINOR_FAILURE, NODE_AUTHENTICATION)
        self._write(event, [self._us(APPLICATION), peer], [node])

    def changed(self, study_instance_uid: str, instances: int, kind: tuple[str, str], who: str = "") -> None:
        """Records that versions of instances were exchanged, or that the user `who` decided about them."""
        event = self._event(ACCESSED, "U", SUCCEEDED, kind, OWN_SCHEME)
        self._write(event, self._acting(who), [study(study_instance_uid, instances)], is_durable=True)

    def deleted(self, study_instance_uid: str, who: str = "") -> None:
        """Records that a study and its results were removed, by the user `who` or due to its age."""
        event = self._event(STUDY_DELETED, "D", SUCCEEDED)
        self._write(event, self._acting(who), [study(study_instance_uid)], is_durable=True)

    def user(
        self, kind: tuple[str, str], who: str, address: str, outcome: int = SUCCEEDED, known_as: str = ""
    ) -> None:
        """Records that a user logs in or out, or changes an account (PS3.15 A.5.3.12).

        `known_as` is the user's identifier at an identity provider, '' for a local account.
        """
        event = USER_AUTHENTICATION if kind in (LOGIN, LOGOUT) else SECURITY_ALERT
        item = user(who)
        if known_as:
            item.set("AlternativeUserID", known_as)
        set_address(item, address)
        self._write(self._event(event, "E", outcome, kind), [item, self._us(APPLICATION)])

    def _us(self, role: tuple[str, str], *, is_requestor: bool = False) -> ElementTree.Element:
        """Returns this node as a participant."""
        return participant(Participant(self.ae_title, "", role, is_requestor))

    def _acting(self, who: str) -> list[ElementTree.Element]:
        """Returns the user of this machine who requested an action, if any, and this node."""
        return [*([user(who)] if who else []), self._us(APPLICATION, is_requestor=not who)]

    def _event(
        self,
        what: tuple[str, str],
        action: str,
        outcome: int,
        kind: tuple[str, str] | None = None,
        scheme: str = DCM,
    ) -> ElementTree.Element:
        event = ElementTree.Element(
            "EventIdentification",
            EventActionCode=action,
            EventDateTime=self.now().isoformat(timespec="milliseconds"),
            EventOutcomeIndicator=str(outcome),
        )
        coded(event, "EventID", what)
        if kind is not None:
            coded(event, "EventTypeCode", kind, scheme)
        return event

    def _write(
        self,
        event: ElementTree.Element,
        participants: Iterable[ElementTree.Element],
        objects: Iterable[ElementTree.Element] = (),
        is_durable: bool = False,
    ) -> None:
        """Appends one message; if the disk is full, it goes to the log, so that the work goes on.

        The schema (PS3.15 A.5.1) requires the audit source after the participants. `is_durable` also flushes
        the message to disk, for events that are not repeated after a power loss.
        """
        message = ElementTree.Element("AuditMessage")
        source = ElementTree.Element("AuditSourceIdentification", AuditSourceID=self.ae_title)
        message.extend([event, *participants, source, *objects])
        line = ElementTree.tostring(message, encoding="utf-8") + b"\n"
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, line)
                if is_durable:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            log.error("audit_not_written", error=error.strerror, message=line.decode())


def audit_trail(
    node: NodeSettings, now: Callable[[], datetime] = lambda: datetime.now().astimezone()
) -> AuditTrail:
    """Returns the audit trail of a node, a file that all parts append to; messages have the time `now`."""
    return AuditTrail(node.audit or node.data / "audit.xml", node.ae_title, now)
