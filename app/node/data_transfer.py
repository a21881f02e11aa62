"""The data of an association without detours: P-DATA goes from the socket to its receiver as it is.

pynetdicom copies every PDU six times and takes its state machine's loop for each; all other PDUs still
go that way.
"""

from __future__ import annotations

import queue
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from pynetdicom.dul import DULServiceProvider

from operators.errors import UnreadableError

if TYPE_CHECKING:
    from pynetdicom.association import Association

    from app.node.transport import NodeSocket

log = structlog.get_logger()

# PS3.8 9.3.1, 9.3.5: PDU header, type P-DATA-TF; state "ready for data transfer"
PDU_HEADER_BYTES, P_DATA_TF, READY = 6, 0x04, "Sta6"
# Wakes whoever waits for a request that will never come; pynetdicom takes it for a time-out.
NOTHING_MORE = None
# PS3.8 9.3.5.1: length, then a presentation context, then the value with its control header
ITEM_LENGTH_BYTES, SMALLEST_ITEM = 4, 2


class FragmentReceiver(Protocol):
    """Takes message fragments; a view is valid until `flush`."""

    msg_queue: queue.Queue[Any]

    def receive_fragments(self, fragments: Iterator[tuple[int, memoryview]]) -> None:
        """Of one PDU; never raises."""

    def flush(self) -> None:
        """The fragments must be dealt with now."""

    def end(self) -> None:
        """No more will come."""


class NodeDul(DULServiceProvider):
    """Hands data to the association's receiver, and wakes its thread for all else."""

    socket: NodeSocket | None

    def __init__(self, association: Association, receiver: FragmentReceiver) -> None:
        super().__init__(association)
        self.receiver = receiver
        self.to_user_queue = WakingQueue(receiver.msg_queue)

    def run_reactor(self) -> None:
        """The edge of an association: what its peer does wrong ends it, with all that it holds."""
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
        """A whole small message; to be called by the receiver only."""
        assert self.socket is not None
        item = struct.pack(">LB", len(fragment) + 1, context_id) + fragment
        self.socket.send(struct.pack(">BBL", P_DATA_TF, 0, len(item)) + item)

    def _read_pdu_data(self) -> None:
        """What comes while it comes; ends for whatever is not data, and where there is something to send."""
        while self.socket is not None:
            try:
                header = self.socket.seen(PDU_HEADER_BYTES)
                if not self._is_data(header):
                    super()._read_pdu_data()
                    return
                self._receive_data(header)
            except OSError:
                self.event_queue.put("Evt17")
                return
            self._idle_timer.restart()
            if self._is_wanted() or not self.socket.ready:
                return

    def _is_data(self, header: bytes) -> bool:
        whole = len(header) == PDU_HEADER_BYTES
        return whole and header[0] == P_DATA_TF and self.state_machine.current_state == READY

    def _is_wanted(self) -> bool:
        return self._kill_thread or bool(self.to_provider_queue.queue or self.event_queue.queue)

    def _receive_data(self, header: bytes) -> None:
        """Raises OSError where the peer hangs up in the midst of it."""
        assert self.socket is not None
        (length,) = struct.unpack_from(">L", header, 2)
        with self.socket.taken(PDU_HEADER_BYTES + length) as pdu:
            if len(pdu) < PDU_HEADER_BYTES + length:
                raise ConnectionError("expected a whole PDU, got a part")
            self.receiver.receive_fragments(fragments(pdu[PDU_HEADER_BYTES:]))
            if not self._has_more():
                self.receiver.flush()

    def _has_more(self) -> bool:
        """Whether another PDU of data has come whole: nothing need be read before it is dealt with."""
        assert self.socket is not None
        ahead = self.socket.ahead
        header = ahead.seen(PDU_HEADER_BYTES)
        return self._is_data(header) and len(ahead) >= PDU_HEADER_BYTES + int.from_bytes(header[2:], "big")


class WakingQueue(queue.Queue[Any]):
    """What an association's thread is told; it sleeps on its messages, so these wake it."""

    def __init__(self, messages: queue.Queue[Any]) -> None:
        super().__init__()
        self.messages = messages

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Puts, and wakes."""
        super().put(item, block, timeout)
        self.messages.put((None, None))


def fragments(content: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Presentation context and fragment of each item; raises UnreadableError for a wrong length."""
    at = 0
    while at < len(content):
        length = int.from_bytes(content[at : at + ITEM_LENGTH_BYTES], "big")
        at += ITEM_LENGTH_BYTES
        if length < SMALLEST_ITEM or at + length > len(content):
            raise UnreadableError("expected a PDU that holds its items, got a wrong length")
        yield content[at], content[at + 1 : at + length]
        at += length
