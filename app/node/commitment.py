"""Storage commitment, both ways: peers ask us, and we ask those that results were sent to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from pynetdicom import build_role, evt
from pynetdicom.association import Association
from pynetdicom.events import Event, EventHandlerType

from app.node.configuration import NodeSettings, Peer
from app.node.destination import Outgoing, associated, end, requested
from app.node.inbox import Inbox
from app.node.job import Json
from app.node.requestor import Requestor
from operators.dicom.atomic_file import write_whole
from operators.dicom.commitment import (
    Commitment,
    Named,
    read_commitment,
    report_of,
    request_of,
    sorted_by_presence,
)
from operators.errors import OsteonError, OutputError, TransientError

log = structlog.get_logger()

# PS3.4 J.3: the class, its well-known instance, the action, and the two events
PUSH_MODEL, PUSH_MODEL_INSTANCE = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"
IMPLICIT = "1.2.840.10008.1.2"
REQUEST, ALL_COMMITTED, SOME_MISSING = 1, 1, 2
# PS3.7 C: statuses of N-ACTION and N-EVENT-REPORT
SUCCESS, PROCESSING_FAILURE, INVALID_ARGUMENT, NOT_AUTHORISED = 0x0000, 0x0110, 0x0115, 0x0124


class CommitmentService:
    """The listener's part: answers requests, and keeps the answers to our own.

    `owe` keeps a report until its peer has taken it, or raises OsteonError.
    """

    def __init__(self, settings: NodeSettings, inbox: Inbox, owe: Callable[[Json], None]) -> None:
        self.settings, self.inbox, self.owe = settings, inbox, owe

    @property
    def handlers(self) -> list[EventHandlerType]:
        """For the listener."""
        return [(evt.EVT_N_ACTION, self.requested), (evt.EVT_N_EVENT_REPORT, self.reported)]

    def requested(self, event: Event) -> tuple[int, None]:
        """Answers at once; the report comes later, to where the peer listens or else on its association."""
        calling_ae = event.assoc.requestor.ae_title.strip()
        peer = next((p for p in self.settings.sources if p.ae_title == calling_ae and p.host), None)
        try:
            request = read_commitment(event.action_information)
        except OsteonError:
            return INVALID_ARGUMENT, None
        try:
            if peer is not None:
                self.owe(owed_to(peer, request))
                return SUCCESS, None
        except OsteonError:
            return PROCESSING_FAILURE, None
        threading.Thread(target=self.report, args=(event.assoc, request), daemon=True).start()
        return SUCCESS, None

    def report(self, asked: Association, request: Commitment) -> None:
        """To a peer whose address is not known; it may ask again."""
        try:
            send_report(asked, request, self.inbox)
        except (OsteonError, RuntimeError, ValueError):
            log.warning("commitment_not_reported", transaction_uid=request.transaction_uid)

    def reported(self, event: Event) -> tuple[int, None]:
        """Keeps what a peer says of a request of ours; nobody else is believed."""
        if not self._is_asked(event.assoc.requestor.ae_title.strip()):
            return NOT_AUTHORISED, None
        try:
            answer = read_commitment(event.event_information)
        except OsteonError:
            return INVALID_ARGUMENT, None
        content = {"missing": [named.sop_instance_uid for named in answer.missing]}
        path = answer_path(self.settings.data, answer.transaction_uid)
        write_whole(path, lambda file: file.write(json.dumps(content).encode()))
        return SUCCESS, None

    def _is_asked(self, calling_ae: str) -> bool:
        return any(peer.commitment and peer.ae_title == calling_ae for peer in self.settings.destinations)


def owed_to(peer: Peer, request: Commitment) -> Json:
    """A report as it stands in the database."""
    instances = [[named.sop_class_uid, named.sop_instance_uid] for named in request.instances]
    return {"peer": peer.name, "transaction_uid": request.transaction_uid, "instances": instances}


def report_owed(owed: Json, peer: Peer, settings: NodeSettings, inbox: Inbox) -> None:
    """Tells a peer that listens what is on the disk by now. Raises TransientError."""
    instances = tuple(Named(*named) for named in owed["instances"])
    association = reporting(peer, settings)
    try:
        send_report(association, Commitment(owed["transaction_uid"], instances), inbox)
    except (RuntimeError, ValueError) as error:  # the peer ended the association, or took no such context
        raise TransientError(f"expected {peer.name} to keep the association", code="aborted") from error
    finally:
        end(association)


def send_report(association: Association, request: Commitment, inbox: Inbox) -> None:
    """N-EVENT-REPORT of which instances are held. Raises TransientError where it was not taken."""
    held = inbox.held(named.sop_instance_uid for named in request.instances)
    answer = sorted_by_presence(request, [named.sop_instance_uid in held for named in request.instances])
    kind = SOME_MISSING if answer.missing else ALL_COMMITTED
    told: Any = association.send_n_event_report(report_of(answer), kind, PUSH_MODEL, PUSH_MODEL_INSTANCE)[0]
    if "Status" not in told or told.Status != SUCCESS:
        raise TransientError("expected the peer to take a storage commitment report", code="no_answer")


def reporting(peer: Peer, settings: NodeSettings) -> Association:
    """An association in which we are the provider. Raises TransientError."""
    entity = Requestor(settings.ae_title, settings.network_s)
    entity.add_requested_context(PUSH_MODEL, IMPLICIT)
    association = requested(entity, peer, settings, [build_role(PUSH_MODEL, scp_role=True)])
    if not association.is_established:
        raise TransientError(f"expected {peer.name} to take a storage commitment report", code="unreachable")
    return association


def answer_path(data: Path, transaction_uid: str) -> Path:
    """Where the listener leaves an answer for the sender; the UID is a checked one."""
    return data / "commitments" / f"{transaction_uid}.json"


def transaction_of(delivery: Json) -> str:
    """The same for the same delivery."""
    from operators.dicom.identity import derived_uid  # brings highdicom, which the listener needs not hold

    return str(derived_uid("commitment", delivery["job_id"], delivery["peer"]))


def ask(files: list[Outgoing], peer: Peer, settings: NodeSettings, transaction_uid: str) -> None:
    """N-ACTION. Raises TransientError, or OutputError where the peer offers no commitment."""
    association = associated(peer, settings, [(PUSH_MODEL, IMPLICIT)])
    try:
        named = tuple(Named(file.sop_class_uid, file.sop_instance_uid) for file in files)
        request = request_of(Commitment(transaction_uid, named))
        answer: Any = association.send_n_action(request, REQUEST, PUSH_MODEL, PUSH_MODEL_INSTANCE)[0]
        if "Status" not in answer or answer.Status != SUCCESS:
            raise TransientError(f"expected {peer.name} to take a commitment request", code="no_commitment")
    finally:
        end(association)


def require_committed(peer: Peer, settings: NodeSettings, transaction_uid: str) -> None:
    """Raises TransientError while there is no answer, OutputError for one that the result is not kept."""
    path = answer_path(settings.data, transaction_uid)
    if not path.is_file():
        raise TransientError(f"expected {peer.name} to commit to the result, none yet", code="uncommitted")
    if json.loads(path.read_text(encoding="utf-8"))["missing"]:
        raise OutputError(f"expected {peer.name} to commit to the result, it does not", code="not_committed")
