"""Storage commitment in both directions: requests from peers, and requests to destinations."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import structlog
from pynetdicom import build_role, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import N_ACTION, N_EVENT_REPORT
from pynetdicom.events import Event, EventHandlerType

from app.node.commitment.transactions import find_transaction, keep_answer
from app.node.peers.destination import end, request_transfer
from app.node.peers.requestor import Requestor
from app.node.queue.job import Json
from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer
from app.node.storage.inbox import Inbox
from app.node.storage.study_lock import files_in_place, series_in_place
from operators.dicom.commitment import Commitment, Named, answer_of, decoded_commitment, report_of
from operators.dicom.elements.element_walk import Encoding
from operators.dicom.elements.instance_identity import read_outgoing
from operators.errors import OsteonError, TransientError, UnreadableError

log = structlog.get_logger()

# PS3.4 J.3: the class, its well-known instance, the action, and the two events
PUSH_MODEL, PUSH_MODEL_INSTANCE = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"
IMPLICIT = "1.2.840.10008.1.2"
REQUEST, ALL_COMMITTED, SOME_MISSING = 1, 1, 2
# PS3.7 C: statuses of N-ACTION and N-EVENT-REPORT
SUCCESS, PROCESSING_FAILURE, INVALID_ARGUMENT, NOT_AUTHORISED = 0x0000, 0x0110, 0x0115, 0x0124


class CommitmentService:
    """The listener's part: answers requests of peers, and stores the answers to the node's own requests.

    `owe` queues a report until its peer has received it, or raises OsteonError.
    """

    def __init__(self, settings: NodeSettings, inbox: Inbox, owe: Callable[[Json], None]) -> None:
        self.settings, self.inbox, self.owe = settings, inbox, owe
        self.keeping = threading.Lock()

    @property
    def handlers(self) -> list[EventHandlerType]:
        """Returns the event handlers for the listener."""
        return [(evt.EVT_N_ACTION, self.requested), (evt.EVT_N_EVENT_REPORT, self.reported)]

    def requested(self, event: Event) -> tuple[int, None]:
        """Answers a request; the report follows at the peer's address, or else on the same association."""
        calling_ae = event.assoc.requestor.ae_title.strip()
        peer = next((p for p in self.settings.sources if p.ae_title == calling_ae and p.host), None)
        try:
            request = information(event, cast(N_ACTION, event.request).ActionInformation)
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
        """Reports on the association of a peer whose address is unknown; on failure it may ask again."""
        try:
            send_report(asked, request, self.inbox)
        except (OsteonError, RuntimeError, ValueError):
            log.warning("commitment_not_reported", transaction_uid=request.transaction_uid)

    def reported(self, event: Event) -> tuple[int, None]:
        """Stores a peer's report on a request of this node; all other reports are refused."""
        calling_ae = event.assoc.requestor.ae_title.strip()
        asked = (peer for peer in self.settings.destinations if peer.commitment)
        names = frozenset(peer.name for peer in asked if peer.ae_title == calling_ae)
        if not names:
            return NOT_AUTHORISED, None
        try:
            answer = information(event, cast(N_EVENT_REPORT, event.request).EventInformation)
        except OsteonError:
            return INVALID_ARGUMENT, None
        try:
            return self._kept(answer, names), None
        except OsteonError:
            return PROCESSING_FAILURE, None

    def _kept(self, answer: Commitment, names: frozenset[str]) -> int:
        """Stores an answer and returns the status. Raises OsteonError if it cannot be written."""
        with self.keeping:
            transaction = find_transaction(self.settings.data, answer.transaction_uid)
            if transaction is None or transaction.peer not in names:
                log.warning("commitment_not_asked_for", transaction_uid=answer.transaction_uid)
                return INVALID_ARGUMENT if transaction is None else NOT_AUTHORISED
            updated = transaction.answered(answer)
            if updated != transaction:
                keep_answer(self.settings.data, updated)
        return SUCCESS


def information(event: Event, content: BytesIO | None) -> Commitment:
    """Decodes the data set of a request or report. Raises UnreadableError."""
    if content is None:
        raise UnreadableError("expected a request with a data set, got one without")
    syntax = event.context.transfer_syntax
    encoding = Encoding(not syntax.is_implicit_VR, big_endian=not syntax.is_little_endian)
    return decoded_commitment(content.getvalue(), encoding)


def owed_to(peer: Peer, request: Commitment) -> Json:
    """Returns a report as it is stored in the database."""
    instances = [[named.sop_class_uid, named.sop_instance_uid] for named in request.instances]
    return {"peer": peer.name, "transaction_uid": request.transaction_uid, "instances": instances}


def report_owed(owed: Json, peer: Peer, settings: NodeSettings, inbox: Inbox) -> None:
    """Sends a peer the report of what is on the disk now. Raises TransientError."""
    instances = tuple(Named(*named) for named in owed["instances"])
    association = reporting(peer, settings)
    try:
        send_report(association, Commitment(owed["transaction_uid"], instances), inbox)
    except (RuntimeError, ValueError) as error:  # the peer ended the association, or refused the context
        raise TransientError(f"expected {peer.name} to keep the association", code="aborted") from error
    finally:
        end(association)


def send_report(association: Association, request: Commitment, inbox: Inbox) -> None:
    """Sends an N-EVENT-REPORT of the stored instances. Raises TransientError if it was not accepted."""
    answer = answer_of(request, held_classes(inbox, [named.sop_instance_uid for named in request.instances]))
    kind = SOME_MISSING if answer.failed else ALL_COMMITTED
    reply: Any = association.send_n_event_report(report_of(answer), kind, PUSH_MODEL, PUSH_MODEL_INSTANCE)[0]
    if "Status" not in reply or reply.Status != SUCCESS:
        raise TransientError("expected the peer to accept a storage commitment report", code="no_answer")


def reporting(peer: Peer, settings: NodeSettings) -> Association:
    """Opens an association in which this node is the provider. Raises TransientError."""
    entity = Requestor(settings.ae_title, settings.network_s)
    entity.add_requested_context(PUSH_MODEL, IMPLICIT)
    association = request_transfer(entity, peer, settings, [build_role(PUSH_MODEL, scp_role=True)])
    if not association.is_established:
        text = f"expected {peer.name} to accept a storage commitment report"
        raise TransientError(text, code="unreachable")
    return association


def held_classes(inbox: Inbox, sop_instance_uids: Iterable[str]) -> dict[str, set[str]]:
    """Returns the SOP classes of the instances that are stored durably and readable.

    Waits while the files of a study are moved, as a removal may be undone. Raises TransientError if the disk
    cannot be read.
    """
    try:
        with files_in_place(inbox.root):
            return classes_found(inbox, sop_instance_uids)
    except OSError as error:
        raise TransientError("expected a readable data folder, got none", code="disk") from error


def classes_found(inbox: Inbox, sop_instance_uids: Iterable[str]) -> dict[str, set[str]]:
    """Returns the SOP classes of the instances that are in the inbox now."""
    names, found = {f"{uid}.dcm" for uid in inbox.held(sop_instance_uids)}, dict[str, set[str]]()
    for series in series_in_place(inbox.root) if names else ():
        with suppress(OSError):
            for entry in [each for each in os.scandir(series) if each.name in names]:
                with suppress(OsteonError, OSError):
                    found.setdefault(Path(entry).stem, set()).add(read_outgoing(Path(entry))[0])
    return found
