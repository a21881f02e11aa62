"""This node as association requestor (PS3.8), with limits on the load that a peer can cause.

pynetdicom's own classes queue a whole file in memory, measure the time for an answer from then on, wait
forever in the middle of a PDU, and accept PDUs, messages and requests without limit.
"""

from __future__ import annotations

import queue
import time
from ssl import SSLContext
from typing import Any, cast

import structlog
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import DIMSEMessage
from pynetdicom.dimse_primitives import N_EVENT_REPORT
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu_primitives import A_P_ABORT, P_DATA
from pynetdicom.timer import Timer
from pynetdicom.transport import AddressInformation, AssociationSocket

from app.node.peers.connection import LOOK_S
from app.node.peers.requestor_socket import RequestorSocket
from operators.dicom.elements.file_meta import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION

log = structlog.get_logger()

# Limits of the PDUs that are sent, even if the peer accepts larger ones, and of their bytes in memory.
LARGEST_SENT_BYTES, QUEUED_BYTES = 1 << 20, 4 << 20
# Peers with a smaller limit would take too long (DCMTK's minimum is 4096)
SMALLEST_SENT_BYTES = 256
# Answers have no data set or a short one
LARGEST_ANSWER_BYTES = 1 << 16
QUEUE_LOOK_S = 0.001
# PS3.8 9.2.1: an invalid PDU
INVALID = "Evt19"


class Requestor(AE):
    """An application entity that gives up on peers that accept nothing for `silence_s`."""

    def __init__(self, ae_title: str, silence_s: float) -> None:
        super().__init__(ae_title)
        self.silence_s = silence_s
        self.implementation_class_uid = IMPLEMENTATION_CLASS_UID
        self.implementation_version_name = IMPLEMENTATION_VERSION
        self.connection_timeout = self.acse_timeout = min(silence_s, 30)
        # pynetdicom measures it by a clock that may jump; the limits here use the monotonic clock
        self.network_timeout = None

    def _create_socket(
        self, association: Association, address: AddressInformation, tls: tuple[SSLContext, str] | None
    ) -> AssociationSocket:
        """Creates the parts of an association; pynetdicom calls this hook."""
        association.dimse = RequestorDimse(association, self.silence_s)
        association.dul = RequestorDul(association)
        # Stored in the timers of the service provider, which was just replaced
        association.acse_timeout, association.network_timeout = self.acse_timeout, None
        made = RequestorSocket(association, address, self.silence_s)
        made.tls_args = tls
        return made


class RequestorDul(DULServiceProvider):
    """The upper layer of an association; any error of the peer ends the association only."""

    def __init__(self, association: Association) -> None:
        super().__init__(association)
        self.artim_timer = SteadyTimer(None)
        self.daemon = True

    @property
    def is_over(self) -> bool:
        """Returns whether nothing can be sent any more."""
        return not self.is_alive() or self.state_machine.current_state in ("Sta1", "Sta13")

    def send_pdu(self, primitive: Any) -> None:
        """Queues a PDU once there is room; data are discarded if the association is over."""
        if isinstance(primitive, P_DATA):
            room = max(2, QUEUED_BYTES // self.assoc.dimse.maximum_pdu_size)
            while self.to_provider_queue.qsize() >= room and not self.is_over:
                time.sleep(QUEUE_LOOK_S)
            if self.is_over:
                return
        super().send_pdu(primitive)

    def run_reactor(self) -> None:
        """Runs until the association is over, for whatever reason."""
        try:
            super().run_reactor()
        except Exception as error:
            log.warning("association_failed", reason=f"{type(error).__name__} in the upper layer")
            self.to_user_queue.put(A_P_ABORT())
        finally:
            if isinstance(self.socket, RequestorSocket):
                self.socket.hang_up()
            self.assoc.dimse.msg_queue.put((None, None))


class RequestorDimse(DIMSEServiceProvider):
    """Sends one request at a time and receives its answer; keeps little of the request in memory."""

    def __init__(self, association: Association, silence_s: float) -> None:
        super().__init__(association)
        self.silence_s = silence_s
        self.message: DIMSEMessage | None = None
        self.asked_id: int | None = None
        self.asked_s = 0.0
        self.received_bytes = 0

    @property
    def maximum_pdu_size(self) -> int:
        """Returns the smaller of the peer's limit, where 0 means none, and this node's."""
        return min(super().maximum_pdu_size or LARGEST_SENT_BYTES, LARGEST_SENT_BYTES)

    def send_msg(self, primitive: Any, context_id: int) -> None:
        """Queues a request; the time for its answer starts now."""
        self.asked_id, self.asked_s = primitive.MessageID, time.monotonic()
        super().send_msg(primitive, context_id)

    def get_msg(self, block: bool = False) -> Any:
        """Returns the answer, or (None, None) if the peer is silent for too long or gone.

        Only who asked waits for it. pynetdicom's reactor looks without waiting, for requests, which are not
        kept here; it pauses for an answer, but not surely in time, and would then throw the answer away.
        """
        if not block:
            return None, None
        while True:
            try:
                answer = self.msg_queue.get(timeout=LOOK_S)
            except queue.Empty:
                if not cast(RequestorDul, self.dul).is_over and self._silent_s <= self.silence_s:
                    continue
                return None, None
            self.asked_id = None
            return answer

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Keeps the answer to the request and ignores reports; any other message ends the association."""
        try:
            answer = self._whole(primitive)
        except Exception as error:
            self._end(type(error).__name__)
            return
        if answer is None or (isinstance(answer[1], N_EVENT_REPORT) and answer[1].is_valid_request):
            return
        if answer[1].MessageIDBeingRespondedTo != self.asked_id or self.msg_queue.qsize():
            self._end("an unsolicited message")
            return
        self.msg_queue.put(answer)

    def _whole(self, primitive: P_DATA) -> tuple[int, Any] | None:
        """Returns context and message once complete. Raises pynetdicom's errors, OSError if too long."""
        self.received_bytes += sum(len(each) for _, each in primitive.presentation_data_value_list)
        if self.received_bytes > LARGEST_ANSWER_BYTES:
            raise OSError(f"expected an answer of at most {LARGEST_ANSWER_BYTES} bytes, got more")
        self.message = self.message or DIMSEMessage()
        if not self.message.decode_msg(primitive, self.assoc):
            return None
        whole, self.message, self.received_bytes = self.message, None, 0
        return int(whole.context_id or 0), whole.message_to_primitive()

    def _end(self, reason: str) -> None:
        log.warning("association_ended", reason=reason)
        self.message, self.received_bytes = None, 0
        self.dul.event_queue.put(INVALID)
        self.msg_queue.put((None, None))

    @property
    def _silent_s(self) -> float:
        """Returns the seconds for which the peer has been silent, at most those since the request."""
        connection, asked_s = self.dul.socket, time.monotonic() - self.asked_s
        return min(connection.silent_s, asked_s) if isinstance(connection, RequestorSocket) else asked_s


class SteadyTimer(Timer):
    """A timer that runs on the monotonic clock."""

    _began_s = 0.0
    _ended_s: float | None = None

    @property
    def remaining(self) -> float:
        """Returns the seconds until the timer expires, or 1 if it never does."""
        if self.timeout is None:
            return 1
        if self._start_time is None:
            return self.timeout
        end_s = time.monotonic() if self._ended_s is None else self._ended_s
        return self.timeout - (end_s - self._began_s)

    def start(self) -> None:
        """Restarts the timer."""
        super().start()
        self._began_s, self._ended_s = time.monotonic(), None

    def stop(self) -> None:
        """Stops the timer."""
        super().stop()
        self._ended_s = time.monotonic()
