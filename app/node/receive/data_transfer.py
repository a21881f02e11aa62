"""The fast path for the data of an association: P-DATA goes directly from the socket to its receiver.

pynetdicom copies every PDU six times and runs its state machine for each; all other PDUs are still left to
pynetdicom.
"""

from __future__ import annotations

import queue
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from pynetdicom.dul import DULServiceProvider

from app.node.receive.admission import ANSWERS, Admission, Reason, Rejected
from app.node.receive.association_request import (
    HEAD_BYTES,
    MAXIMUM_REQUEST_BYTES,
    AssociationRequest,
    request_of,
    require_bounded,
    with_spaces,
)
from operators.errors import UnreadableError

if TYPE_CHECKING:
    from pynetdicom.association import Association

    from app.node.receive.transport import NodeSocket

log = structlog.get_logger()

# PS3.8 9.3.1: PDU header and types; release and abort always have 4 bytes
PDU_HEADER_BYTES, A_ASSOCIATE_RQ, A_ASSOCIATE_RJ, P_DATA_TF = 6, 0x01, 0x03, 0x04
ENDS, END_BYTES = frozenset((0x05, 0x06, 0x07)), 4
# PS3.8 9.2.1: awaiting a request, or idle, as a connection is until its first event is handled; ready for
# data transfer; awaiting the close of the connection
BEFORE_REQUEST, READY, CLOSING = frozenset(("Sta1", "Sta2")), "Sta6", "Sta13"
# PS3.8 9.2.2: the connection is closed; an invalid PDU was received
CLOSED, INVALID = "Evt17", "Evt19"
# How long a rejected peer may take to read the rejection and to close the connection
FAREWELL_S = 1.0
# Wakes a thread that waits for a request that will never come; pynetdicom treats it as a time-out.
NOTHING_MORE: Any = None
# PS3.8 9.3.5.1: length, then a presentation context, then the value with its control header
ITEM_LENGTH_BYTES, SMALLEST_ITEM = 4, 2


class FragmentReceiver(Protocol):
    """Receives message fragments; a view is valid until `flush`."""

    msg_queue: queue.Queue[Any]

    def receive_fragments(self, fragments: Iterator[tuple[int, memoryview]]) -> None:
        """Receives the fragments of one PDU; never raises."""

    def flush(self) -> None:
        """Processes the received fragments, whose views become invalid."""

    def end(self) -> None:
        """Ends the reception; no more fragments follow."""


class NodeDul(DULServiceProvider):
    """Passes data to the association's receiver, and wakes the association's thread for everything else."""

    socket: NodeSocket | None

    def __init__(self, association: Association, receiver: FragmentReceiver, admission: Admission) -> None:
        super().__init__(association)
        self.receiver, self.admission = receiver, admission
        self.is_invalid = False
        self.to_user_queue = WakingQueue(receiver.msg_queue)

    def run_reactor(self) -> None:
        """Runs the association; any error ends it and releases its resources."""
        try:
            super().run_reactor()
        except Exception as error:
            log.warning("association_failed", reason=f"{type(error).__name__} in the upper layer")
        finally:
            if self.socket is not None:
                self.socket.close()
            self.receiver.end()
            self.to_user_queue.put(NOTHING_MORE)

    def send_fragment(self, context_id: int, fragment: bytes) -> None:
        """Sends a small message in one fragment; to be called by the receiver only."""
        assert self.socket is not None
        item = struct.pack(">LB", len(fragment) + 1, context_id) + fragment
        self.socket.send(struct.pack(">BBL", P_DATA_TF, 0, len(item)) + item)

    def _read_pdu_data(self) -> None:
        """Reads P-DATA PDUs until another PDU type arrives or a response is pending."""
        while self.socket is not None:
            try:
                header = self.socket.seen(PDU_HEADER_BYTES)
                if not self._is_data(header):
                    self._receive_control(header)
                    return
                self._receive_data(header)
            except OSError:
                self.event_queue.put(CLOSED)
                return
            self._idle_timer.restart()
            is_wanted = self._kill_thread or self.to_provider_queue.queue or self.event_queue.queue
            if is_wanted or not self.socket.ready:
                return

    def _receive_control(self, header: bytes) -> None:
        """Lets pynetdicom decode small PDUs that are allowed now; refuses all others without decoding them.

        Raises OSError if the peer closes the connection in the middle of a PDU.
        """
        assert self.socket is not None
        if self.is_invalid or self.state_machine.current_state == CLOSING:
            if not self.socket.discard():
                self.event_queue.put(CLOSED)
        elif len(header) < PDU_HEADER_BYTES:
            self.event_queue.put(CLOSED)
        elif header[0] in ENDS and pdu_length(header) == END_BYTES:
            super()._read_pdu_data()
        elif self.state_machine.current_state not in BEFORE_REQUEST:
            self._end_as_invalid()
        elif header[0] != A_ASSOCIATE_RQ or pdu_length(header) < HEAD_BYTES - PDU_HEADER_BYTES:
            self.admission.tell(Rejected(AssociationRequest("", "", self._address), Reason.MALFORMED))
            self._end_as_invalid()
        else:
            self._receive_request(pdu_length(header))

    def _receive_request(self, length: int) -> None:
        """Admits or rejects a request; an unknown peer is rejected by its first bytes alone."""
        assert self.socket is not None
        request = request_of(self.socket.seen(HEAD_BYTES), self._address)
        reason = self.admission.refusal(request) or self._excess(length)
        if reason is None:
            super()._read_pdu_data()
            return
        self.admission.tell(Rejected(request, reason))
        if reason not in ANSWERS:
            self._end_as_invalid()
            return
        self.socket.send(struct.pack(">BBLBBBB", A_ASSOCIATE_RJ, 0, 4, 0, *ANSWERS[reason]))
        self.socket.hear_out(FAREWELL_S)
        self.event_queue.put(CLOSED)

    def _end_as_invalid(self) -> None:
        """Discards further data until the state machine, which runs later, has ended the association."""
        self.is_invalid = True
        self.event_queue.put(INVALID)

    def _excess(self, length: int) -> Reason | None:
        """Returns why a known peer's request is not decoded, or None."""
        assert self.socket is not None
        if length > MAXIMUM_REQUEST_BYTES:
            return Reason.TOO_LARGE
        try:
            require_bounded(self.socket.seen(PDU_HEADER_BYTES + length))
        except UnreadableError as error:
            return Reason.TOO_LARGE if error.code == "request_too_large" else Reason.MALFORMED
        return None

    def _decode_pdu(self, bytestream: bytearray) -> tuple[Any, str]:
        """Decodes like pynetdicom, but accepts titles padded with NUL."""
        return super()._decode_pdu(
            bytearray(with_spaces(bytestream)) if bytestream[0] == A_ASSOCIATE_RQ else bytestream
        )

    @property
    def _address(self) -> str:
        return str(self.assoc.requestor.address)

    def _is_data(self, header: bytes) -> bool:
        whole = len(header) == PDU_HEADER_BYTES
        return whole and header[0] == P_DATA_TF and self.state_machine.current_state == READY

    def _receive_data(self, header: bytes) -> None:
        """Receives a P-DATA PDU. Raises OSError if the peer closes the connection in the middle of it."""
        assert self.socket is not None
        length = pdu_length(header)
        with self.socket.taken(PDU_HEADER_BYTES + length) as pdu:
            if len(pdu) < PDU_HEADER_BYTES + length:
                raise ConnectionError("expected a complete PDU, got a part")
            self.receiver.receive_fragments(fragments(pdu[PDU_HEADER_BYTES:]))
            if not self._has_more():
                self.receiver.flush()

    def _has_more(self) -> bool:
        """Returns whether another complete P-DATA PDU has been read already."""
        assert self.socket is not None
        ahead = self.socket.ahead
        header = ahead.seen(PDU_HEADER_BYTES)
        return self._is_data(header) and len(ahead) >= PDU_HEADER_BYTES + pdu_length(header)


def pdu_length(header: bytes) -> int:
    """Returns the length stated in the PDU header."""
    return int.from_bytes(header[2:PDU_HEADER_BYTES], "big")


class WakingQueue(queue.Queue[Any]):
    """The queue of an association's thread; each item wakes the thread, which waits for messages."""

    def __init__(self, messages: queue.Queue[Any]) -> None:
        super().__init__()
        self.messages = messages

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Adds an item and wakes the thread."""
        super().put(item, block, timeout)
        self.messages.put((None, None))


def fragments(content: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yields presentation context and fragment of each item. Raises UnreadableError for a wrong length."""
    at = 0
    while at < len(content):
        length = int.from_bytes(content[at : at + ITEM_LENGTH_BYTES], "big")
        at += ITEM_LENGTH_BYTES
        if length < SMALLEST_ITEM or at + length > len(content):
            raise UnreadableError("expected a PDU that holds its items, got a wrong length")
        yield content[at], content[at + 1 : at + length]
        at += length
