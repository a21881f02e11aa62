"""The response to a STOW-RS request: the Store Instances Response (PS3.18 I.2) as DICOM JSON (F.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.node.receive.incoming import SUCCESS
from app.node.receive.reception import Received
from operators.dicom.elements.instance_identity import Instance

# PS3.6: Referenced SOP Class and Instance UID, Failure Reason, and the three sequences
SOP_CLASS, SOP_INSTANCE, FAILURE_REASON = "00081150", "00081155", "00081197"
REFERENCED, FAILED, OTHER_FAILURES = "00081199", "00081198", "0008119A"

Item = dict[str, dict[str, Any]]


def response_json(received: Sequence[Received]) -> Item:
    """Returns the response; every instance is in one of its sequences, unreadable ones without UIDs."""
    failed = [each for each in received if each.instance and each.status != SUCCESS]
    return {
        **_sequence(REFERENCED, [_named(each.instance) for each in received if each.status == SUCCESS]),
        **_sequence(FAILED, [_failed(each) for each in failed]),
        **_sequence(OTHER_FAILURES, [_failed(each) for each in received if each.instance is None]),
    }


def _sequence(tag: str, items: list[Item]) -> Item:
    return {tag: {"vr": "SQ", "Value": items}} if items else {}


def _named(instance: Instance | None) -> Item:
    if instance is None:
        return {}
    return {
        SOP_CLASS: {"vr": "UI", "Value": [instance.sop_class_uid]},
        SOP_INSTANCE: {"vr": "UI", "Value": [instance.sop_instance_uid]},
    }


def _failed(received: Received) -> Item:
    return _named(received.instance) | {FAILURE_REASON: {"vr": "US", "Value": [received.status]}}
