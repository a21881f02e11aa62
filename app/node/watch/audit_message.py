"""The parts of a message of the audit trail, as elements of PS3.15 A.5.1."""

from __future__ import annotations

import os
from dataclasses import dataclass
from xml.etree import ElementTree

from app.node.settings.ports import is_ip

# PS3.16 CID 404
STUDY = ("110180", "Study Instance UID")
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


def participant(who: Participant) -> ElementTree.Element:
    """Returns a program that took part in an event."""
    item = ElementTree.Element(
        "ActiveParticipant",
        UserID=who.address or str(os.getpid()),
        AlternativeUserID=f"AETITLES={who.ae_title}",
        UserIsRequestor=str(who.is_requestor).lower(),
    )
    set_address(item, who.address)
    coded(item, "RoleIDCode", who.role)
    return item


def user(name: str) -> ElementTree.Element:
    """Returns a user who requested an event."""
    return ElementTree.Element("ActiveParticipant", UserID=name, UserIsRequestor="true")


def set_address(item: ElementTree.Element, address: str) -> None:
    """Sets the address of a participant, if it is known."""
    if address:
        item.set("NetworkAccessPointID", address)
        item.set("NetworkAccessPointTypeCode", IP_ADDRESS if is_ip(address) else MACHINE_NAME)


def study(uid: str, instances: int = 0) -> ElementTree.Element:
    """Returns a study that an event is about, with the number of its instances if that is known."""
    item = participant_object(uid, "3", STUDY)
    if instances:
        description = ElementTree.SubElement(item, "ParticipantObjectDescription")
        ElementTree.SubElement(description, "SOPClass", NumberOfInstances=str(instances))
    return item


def participant_object(identifier: str, role: str, kind: tuple[str, str]) -> ElementTree.Element:
    """Returns an object that an event is about, of the type "system object" (PS3.15 A.5.2)."""
    item = ElementTree.Element(
        "ParticipantObjectIdentification",
        ParticipantObjectID=identifier,
        ParticipantObjectTypeCode="2",
        ParticipantObjectTypeCodeRole=role,
    )
    coded(item, "ParticipantObjectIDTypeCode", kind)
    return item


def coded(parent: ElementTree.Element, name: str, code: tuple[str, str], scheme: str = DCM) -> None:
    """Adds a coded value, from the DICOM controlled terminology unless `scheme` names another."""
    ElementTree.SubElement(
        parent, name, {"csd-code": code[0], "codeSystemName": scheme, "originalText": code[1]}
    )
