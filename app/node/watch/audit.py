"""The audit trail: what was received and what was sent, as PS3.15 A.5 messages, one per line.

Studies are identified by UID only, without patient data, so that system administrators may read the file.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from xml.etree import ElementTree

import structlog

from app.node.settings.configuration import NodeSettings

log = structlog.get_logger()

# PS3.16 CID 400, 402, 404 and PS3.15 A.5.3
APPLICATION_ACTIVITY = ("110100", "Application Activity")
TRANSFERRED = ("110104", "DICOM Instances Transferred")
ACCESSED = ("110103", "DICOM Instances Accessed")
EXPORTED = ("110106", "Export")
STUDY_DELETED = ("110105", "DICOM Study Deleted")
STARTED, STOPPED = ("110120", "Application Start"), ("110121", "Application Stop")
SOURCE, DESTINATION = ("110153", "Source Role ID"), ("110152", "Destination Role ID")
STUDY = ("110180", "Study Instance UID")
SECURITY_ALERT, NODE_AUTHENTICATION = ("110113", "Security Alert"), ("110126", "Node Authentication")
NODE_ID = ("110182", "Node ID")
USER_AUTHENTICATION, ACCOUNT_CHANGED = (
    ("110114", "User Authentication"),
    ("110137", "User Security Attributes Changed"),
)
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
# PS3.16 8: the DICOM controlled terminology
DCM = "DCM"
# PS3.15 A.5.2.2: what an address is
MACHINE_NAME, IP_ADDRESS = "1", "2"


@dataclass(frozen=True)
class Participant:
    """An AE title and its address; `role` is a code and its meaning."""

    ae_title: str
    address: str
    role: tuple[str, str]
    is_requestor: bool


class AuditTrail:
    """Appends messages to a file; each line is one write, so that several processes may share it."""

    def __init__(self, path: Path, ae_title: str, now: Callable[[], datetime]) -> None:
        self.path, self.ae_title, self.now = path, ae_title, now

    def application(self, kind: tuple[str, str]) -> None:
        """Records that the node starts or stops."""
        event = self._event(APPLICATION_ACTIVITY, "E", SUCCEEDED, kind)
        self._participant(event, Participant(self.ae_title, "", ("110150", "Application"), False))
        self._source(event)
        self._append(event)

    def received(self, peer: Participant, images: Mapping[str, int]) -> None:
        """Records how many images of each study a peer sent."""
        us = Participant(self.ae_title, "", DESTINATION, False)
        self._transfer("C", SUCCEEDED, peer, us, images)

    def delivered(self, peer: Participant, study_instance_uid: str, instances: int, outcome: int) -> None:
        """Records the outcome of a delivery to a peer."""
        us = Participant(self.ae_title, "", SOURCE, True)
        self._transfer("R", outcome, us, peer, {study_instance_uid: instances})

    def reported(self, peer: Participant, study_instance_uid: str, outcome: int) -> None:
        """Records the outcome of sending a report, which is no DICOM instance, to a peer."""
        event = self._event(EXPORTED, "R", outcome)
        self._participant(event, Participant(self.ae_title, "", SOURCE, True))
        self._participant(event, peer)
        self._source(event)
        self._study(event, study_instance_uid)
        self._append(event)

    def rejected(
        self, calling_ae: str, called_ae: str, address: str, reason: str, held_back: int = 0
    ) -> None:
        """Records a rejected association, and how many before it were not recorded (PS3.15 A.5.3.11)."""
        event = self._event(SECURITY_ALERT, "E", MINOR_FAILURE, NODE_AUTHENTICATION)
        self._participant(event, Participant(self.ae_title, "", ("110150", "Application"), False))
        self._participant(event, Participant(calling_ae, address, SOURCE, True))
        self._source(event)
        item = ElementTree.SubElement(
            event,
            "ParticipantObjectIdentification",
            ParticipantObjectID=address or "unknown",
            ParticipantObjectTypeCode="2",
            ParticipantObjectTypeCodeRole="13",
        )
        coded(item, "ParticipantObjectIDTypeCode", NODE_ID)
        text = f"association with {called_ae} rejected: {reason}; {held_back} more since the last message"
        ElementTree.SubElement(
            item,
            "ParticipantObjectDetail",
            type="Alert Description",
            value=b64encode(text.encode()).decode(),
        )
        self._append(event)

    def changed(self, study_instance_uid: str, instances: int, kind: tuple[str, str], who: str = "") -> None:
        """Records that versions of instances were exchanged, or that the user `who` decided about them."""
        event = self._event(ACCESSED, "U", SUCCEEDED, kind, OWN_SCHEME)
        self._acting(event, who)
        self._study(event, study_instance_uid, instances)
        self._append(event, is_durable=True)

    def deleted(self, study_instance_uid: str, who: str = "") -> None:
        """Records that a study and its results were removed, by the user `who` or due to its age."""
        event = self._event(STUDY_DELETED, "D", SUCCEEDED)
        self._acting(event, who)
        self._study(event, study_instance_uid)
        self._append(event, is_durable=True)

    def user(
        self, kind: tuple[str, str], who: str, address: str, outcome: int = SUCCEEDED, known_as: str = ""
    ) -> None:
        """Records that a user logs in or out, or changes an account (PS3.15 A.5.3.12).

        `known_as` is the user's identifier at an identity provider, '' for a local account.
        """
        what = USER_AUTHENTICATION if kind in (LOGIN, LOGOUT) else SECURITY_ALERT
        event = self._event(what, "E", outcome, kind)
        participant = ElementTree.SubElement(event, "ActiveParticipant", UserID=who, UserIsRequestor="true")
        if known_as:
            participant.set("AlternativeUserID", known_as)
        if address:
            participant.set("NetworkAccessPointID", address)
            participant.set("NetworkAccessPointTypeCode", IP_ADDRESS if is_ip(address) else MACHINE_NAME)
        self._participant(event, Participant(self.ae_title, "", ("110150", "Application"), False))
        self._source(event)
        self._append(event)

    def _acting(self, event: ElementTree.Element, who: str) -> None:
        """Adds this node as a participant, and the user of this machine who requested the action, if any."""
        if who:
            ElementTree.SubElement(event, "ActiveParticipant", UserID=who, UserIsRequestor="true")
        self._participant(event, Participant(self.ae_title, "", ("110150", "Application"), not who))
        self._source(event)

    def _transfer(
        self, action: str, outcome: int, source: Participant, target: Participant, images: Mapping[str, int]
    ) -> None:
        event = self._event(TRANSFERRED, action, outcome)
        self._participant(event, source)
        self._participant(event, target)
        self._source(event)
        for study, count in images.items():
            self._study(event, study, count)
        self._append(event)

    def _study(self, event: ElementTree.Element, study: str, count: int = 0) -> None:
        item = ElementTree.SubElement(
            event,
            "ParticipantObjectIdentification",
            ParticipantObjectID=study,
            ParticipantObjectTypeCode="2",
            ParticipantObjectTypeCodeRole="3",
        )
        coded(item, "ParticipantObjectIDTypeCode", STUDY)
        if count:
            description = ElementTree.SubElement(item, "ParticipantObjectDescription")
            ElementTree.SubElement(description, "SOPClass", NumberOfInstances=str(count))

    def _event(
        self,
        what: tuple[str, str],
        action: str,
        outcome: int,
        kind: tuple[str, str] | None = None,
        scheme: str = DCM,
    ) -> ElementTree.Element:
        message = ElementTree.Element("AuditMessage")
        event = ElementTree.SubElement(
            message,
            "EventIdentification",
            EventActionCode=action,
            EventDateTime=self.now().isoformat(timespec="milliseconds"),
            EventOutcomeIndicator=str(outcome),
        )
        coded(event, "EventID", what)
        if kind is not None:
            coded(event, "EventTypeCode", kind, scheme)
        return message

    def _source(self, message: ElementTree.Element) -> None:
        """Adds the audit source, which the schema (PS3.15 A.5.1) requires after the participants."""
        ElementTree.SubElement(message, "AuditSourceIdentification", AuditSourceID=self.ae_title)

    def _participant(self, message: ElementTree.Element, who: Participant) -> None:
        item = ElementTree.SubElement(
            message,
            "ActiveParticipant",
            UserID=who.address or str(os.getpid()),
            AlternativeUserID=f"AETITLES={who.ae_title}",
            UserIsRequestor=str(who.is_requestor).lower(),
        )
        if who.address:
            item.set("NetworkAccessPointID", who.address)
            item.set("NetworkAccessPointTypeCode", IP_ADDRESS if is_ip(who.address) else MACHINE_NAME)
        coded(item, "RoleIDCode", who.role)

    def _append(self, message: ElementTree.Element, is_durable: bool = False) -> None:
        """Appends one message; if the disk is full, it goes to the log, so that the work goes on.

        `is_durable` also flushes it to disk, for events that are not repeated after a power loss.
        """
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


def is_ip(address: str) -> bool:
    """Returns whether an address is an IP address rather than a host name."""
    try:
        ip_address(address)
    except ValueError:
        return False
    return True


def coded(parent: ElementTree.Element, name: str, code: tuple[str, str], scheme: str = DCM) -> None:
    """Adds a coded value, from the DICOM controlled terminology unless `scheme` names another."""
    ElementTree.SubElement(
        parent, name, {"csd-code": code[0], "codeSystemName": scheme, "originalText": code[1]}
    )


def audit_trail(
    node: NodeSettings, now: Callable[[], datetime] = lambda: datetime.now().astimezone()
) -> AuditTrail:
    """Returns the audit trail of a node, a file that all parts append to; messages have the time `now`."""
    return AuditTrail(node.audit or node.data / "audit.xml", node.ae_title, now)
