"""Receives C-STORE: each data set is written to disk as its fragments arrive, and then acknowledged."""

from __future__ import annotations

import queue
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import structlog
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.pdu_primitives import P_DATA

from app.library_messages import frames_of
from app.node.receive.command_set import parsed, store_request, store_response
from app.node.receive.data_transfer import NodeDul
from app.node.receive.incoming import (
    CANNOT_UNDERSTAND,
    INVALID_INSTANCE,
    NOT_THE_SOP_CLASS,
    OUT_OF_RESOURCES,
    SUCCESS,
    Incoming,
)
from app.node.receive.unanswered import Unanswered, require_length
from app.node.storage.inbox import Inbox, InboxOutcome
from operators.dicom.elements.file_meta import file_head
from operators.dicom.elements.instance_identity import Instance, read_received
from operators.dicom.elements.meta_group import SOURCE, SYNTAX, MetaGroup
from operators.errors import UnreadableError

log = structlog.get_logger()

# PS3.8 E.2: message control header
COMMAND, LAST = 1, 2
MAXIMUM_COMMAND_BYTES = 1 << 16
# Interval in which an association's thread checks whether its peer has been silent for too long.
IDLE_S = 0.25


@dataclass(frozen=True)
class Received:
    """The outcome of one received instance, for log, audit trail and metrics."""

    calling_ae: str
    address: str
    status: int
    outcome: InboxOutcome | None
    instance: Instance | None
    size: int
    code: str = ""


@dataclass(frozen=True)
class Store:
    """Where instances are stored, how much disk space must remain free, and the callbacks for outcomes."""

    inbox: Inbox
    minimum_free_bytes: int
    tell: Callable[[Received], None]
    ended: Callable[[str, str, Counter[str]], None]

    def has_room(self) -> bool:
        """Returns whether the free disk space is above the watermark."""
        return self.inbox.free_bytes() > self.minimum_free_bytes


class Reception(DIMSEServiceProvider):
    """The messages of one association: C-STORE is handled here, all others by pynetdicom."""

    def __init__(self, association: Association, store: Store) -> None:
        super().__init__(association)
        self.store = store
        self.command = bytearray()
        self.unanswered = Unanswered()
        self.incoming: Incoming | None = None
        self.images: Counter[str] = Counter()

    def get_msg(self, block: bool = False) -> tuple[Any, Any]:
        """Waits for a message, where pynetdicom would poll a thousand times a second."""
        if block:
            return super().get_msg(block=True)
        try:
            return self.msg_queue.get(timeout=IDLE_S)
        except queue.Empty:
            return None, None

    def receive_fragments(self, fragments: Iterator[tuple[int, memoryview]]) -> None:
        """Receives the fragments of one PDU; any error ends this association only."""
        try:
            for context_id, fragment in fragments:
                self._receive_fragment(context_id, fragment)
        except UnreadableError as error:
            log.warning("association_failed", reason=str(error))
            self._fail()
        except Exception as error:
            log.error("association_failed", traceback=frames_of(error))
            self._fail()

    def flush(self) -> None:
        """Writes the received fragments; their views may become invalid afterwards."""
        if self.incoming is not None:
            self.incoming.flush(self.store.has_room)

    def _fail(self) -> None:
        self.drop()
        self.dul.event_queue.put("Evt19")

    def drop(self) -> None:
        """Discards an unfinished instance."""
        if self.incoming is not None:
            self.incoming.drop()
            self.incoming = None

    def end(self) -> None:
        """Ends the reception, and reports the received images once."""
        self.drop()
        images, self.images = self.images, Counter()
        if images:
            peer = self.assoc.requestor
            self.store.ended(peer.ae_title, str(peer.address), images)

    def _receive_fragment(self, context_id: int, fragment: memoryview) -> None:
        control = fragment[0]
        if control & COMMAND:
            self._receive_command(context_id, fragment, last=bool(control & LAST))
        elif self.incoming is not None:
            self.incoming.take(fragment[1:])
            if control & LAST:
                self._finish(self.incoming)
        elif self.message is None:
            raise UnreadableError("expected a command before its data, got data alone")
        else:
            self.unanswered.add_bytes(len(fragment))
            self._pass_on(context_id, bytes(fragment))

    def _receive_command(self, context_id: int, fragment: memoryview, last: bool) -> None:
        self.command += fragment[1:]
        require_length(len(self.command), MAXIMUM_COMMAND_BYTES)
        if not last:
            return
        content, self.command = bytes(self.command), bytearray()
        if self.message is not None:
            raise UnreadableError("expected the data of the last command, got another command")
        request = store_request(parsed(content))
        if request is None:
            self.unanswered.add(len(content))
            self._pass_on(context_id, bytes((COMMAND | LAST,)) + content)
        else:
            self.drop()
            self.incoming = self._begin(Incoming(context_id, request))

    def send_msg(self, primitive: Any, context_id: int) -> None:
        """Sends a message like pynetdicom, and counts an answered request."""
        if primitive.MessageIDBeingRespondedTo is not None:
            self.unanswered.answer()
        super().send_msg(primitive, context_id)

    def _pass_on(self, context_id: int, fragment: bytes) -> None:
        primitive = P_DATA()
        # pynetdicom accepts lists only, contrary to its type hints
        primitive.presentation_data_value_list = [[context_id, fragment]]  # type: ignore[list-item]
        super().receive_primitive(primitive)

    def _begin(self, incoming: Incoming) -> Incoming:
        """Opens the file of a new instance; if that fails, its data set will be received and discarded."""
        syntax, request = self._transfer_syntax(incoming.context_id), incoming.request
        try:
            sender = self.assoc.requestor.ae_title
            head = file_head(request.sop_class_uid, request.sop_instance_uid, syntax, sender)
        except UnreadableError:
            incoming.status = INVALID_INSTANCE
            return incoming
        if not self.store.has_room():
            incoming.status = OUT_OF_RESOURCES
            return incoming
        incoming.open(self.store.inbox.new_part())
        incoming.meta = MetaGroup({SYNTAX: syntax, SOURCE: sender}, len(head))
        incoming.take(memoryview(head))
        return incoming

    def _transfer_syntax(self, context_id: int) -> str:
        context = self.assoc._accepted_cx.get(context_id)
        if context is None:
            raise UnreadableError("expected a presentation context that was accepted, got another one")
        return str(context.transfer_syntax[0])

    def _finish(self, incoming: Incoming) -> None:
        """Stores, reports and answers; success is answered only for an instance that is on the disk."""
        self.incoming = None
        incoming.flush(self.store.has_room)
        size = incoming.file.tell() if incoming.file else 0
        instance, outcome, code = self._stored(incoming)
        if outcome is None:
            incoming.drop()
        status = SUCCESS if incoming.status is None else incoming.status
        if instance is not None and outcome is not None:
            self.images[instance.study_instance_uid] += 1
        peer = self.assoc.requestor
        self.store.tell(Received(peer.ae_title, str(peer.address), status, outcome, instance, size, code))
        self._answer(incoming, status)

    def _stored(self, incoming: Incoming) -> tuple[Instance | None, InboxOutcome | None, str]:
        """Stores a file; returns its instance, its outcome, and a code if it was not stored."""
        try:
            path = incoming.closed()
            if path is None or incoming.meta is None:
                return None, None, ""
            instance = read_received(path, incoming.begun, incoming.meta)
            request = incoming.request
            announced = (request.sop_class_uid, request.sop_instance_uid)
            if (instance.sop_class_uid, instance.sop_instance_uid) != announced:
                incoming.status = NOT_THE_SOP_CLASS
                return instance, None, "other_instance"
            return instance, self.store.inbox.commit(path, instance), ""
        except UnreadableError as error:
            incoming.status = CANNOT_UNDERSTAND
            return None, None, error.code
        except OSError:
            incoming.status = OUT_OF_RESOURCES
        return None, None, "disk"

    def _answer(self, incoming: Incoming, status: int) -> None:
        content = store_response(incoming.request, status, with_uids=status != INVALID_INSTANCE)
        transfer = cast(NodeDul, self.dul)
        transfer.send_fragment(incoming.context_id, bytes((COMMAND | LAST,)) + content)
