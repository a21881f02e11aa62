"""Sockets of the listener: limits on the load that a peer can cause, and TLS outside of the accept loop.

pynetdicom's own sockets read blocks of 4 KB, poll every millisecond, accept PDUs of any length, and let one
silent TLS client block all others.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from pynetdicom.association import Association
from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

from app.node.receive.admission import Admission, Reason, Rejected
from app.node.receive.association_request import AssociationRequest
from app.node.receive.data_transfer import PDU_HEADER_BYTES, NodeDul
from app.node.receive.reception import Reception

# How long to wait for data before checking whether there is something to send: a busy peer is answered at
# once, and a hundred idle ones cost nothing.
BUSY_WAIT_S, IDLE_WAIT_S, BUSY_S = 0.005, 0.1, 1.0
# Including the header; an A-ASSOCIATE-RQ with 128 contexts of many transfer syntaxes is far smaller.
MAXIMUM_PDU_BYTES = (1 << 20) + PDU_HEADER_BYTES
RECEIVE_BUFFER_BYTES = 1 << 20
HANDSHAKE_S = 10.0


# Two of the PDUs that fast senders use
READ_BYTES = 1 << 18


class ReadAhead:
    """Bytes that were read from the socket but not consumed yet."""

    def __init__(self) -> None:
        self.buffer = bytearray(READ_BYTES)
        self.start = self.stop = 0

    def __len__(self) -> int:
        return self.stop - self.start

    def room(self, count: int) -> memoryview:
        """Returns the free part of the buffer, after making room for `count` bytes from the first one on."""
        if self.start + count > len(self.buffer):
            waiting = self.buffer[self.start : self.stop]
            if count > len(self.buffer):
                self.buffer = bytearray(count)
            self.buffer[: len(waiting)] = waiting
            self.start, self.stop = 0, len(waiting)
        return memoryview(self.buffer)[self.stop :]

    def came(self, count: int) -> None:
        """Records that `count` bytes were read into the free part."""
        self.stop += count

    def seen(self, count: int) -> bytes:
        """Returns the next bytes without consuming them."""
        return bytes(self.buffer[self.start : min(self.start + count, self.stop)])

    def taken(self, count: int) -> memoryview:
        """Consumes and returns the next bytes, or as many as there are; valid until more are read."""
        start, self.start = self.start, min(self.start + count, self.stop)
        view = memoryview(self.buffer)[start : self.start]
        if self.start == self.stop:
            self.start = self.stop = 0
        return view


class NodeSocket(AssociationSocket):
    """A socket that polls instead of sleeping, reads whole PDUs, and gives up on slow or huge ones."""

    def __init__(self, association: Association, client_socket: socket.socket, pdu_s: float) -> None:
        super().__init__(association, client_socket=client_socket)
        self.pdu_s, self.heard_s = pdu_s, time.monotonic()
        self.ahead = ReadAhead()

    @property
    def idle_s(self) -> float:
        """Returns the seconds for which the peer has been silent."""
        return time.monotonic() - self.heard_s

    @property
    def ready(self) -> bool:
        """Returns whether there is something to read, after waiting briefly."""
        connection = self.socket
        if connection is None or not self._is_connected:
            return False
        if self.ahead or (isinstance(connection, ssl.SSLSocket) and connection.pending()):
            return True
        wait_s = BUSY_WAIT_S if self.idle_s < BUSY_S else IDLE_WAIT_S
        try:
            poll = select.poll()
            poll.register(connection, select.POLLIN)
            return bool(poll.poll(1000 * wait_s))
        except (OSError, ValueError):
            self.event_queue.put("Evt17")
            return False

    def recv(self, nr_bytes: int) -> bytearray:
        """Consumes exactly `nr_bytes`, fewer if the peer hung up. Raises OSError if too many or too slow."""
        return bytearray(self.taken(nr_bytes))

    def taken(self, count: int) -> memoryview:
        """Consumes `count` bytes without copying; the view is valid until the next call."""
        self._fill(count)
        return self.ahead.taken(count)

    def seen(self, count: int) -> bytes:
        """Returns the next `count` bytes without consuming them."""
        self._fill(count)
        return self.ahead.seen(count)

    def discard(self) -> bool:
        """Discards received data; returns False if the peer has closed the connection."""
        if self.ahead:
            self.ahead.taken(len(self.ahead))
            return True
        return self.socket is not None and self.socket.recv_into(self.ahead.room(1)) > 0

    def hear_out(self, within_s: float) -> None:
        """Discards data until the peer closes: closing with unread data would revoke the answer."""
        deadline = time.monotonic() + within_s
        with suppress(OSError):
            while time.monotonic() < deadline and self._is_connected:
                if self.ready and not self.discard():
                    return

    def _fill(self, count: int) -> None:
        """Reads until `count` bytes are there; a slow peer is cut off after at most twice `pdu_s`."""
        if count > MAXIMUM_PDU_BYTES:
            raise OSError(f"expected a PDU of at most {MAXIMUM_PDU_BYTES} bytes, got {count}")
        deadline = time.monotonic() + self.pdu_s
        while len(self.ahead) < count:
            if time.monotonic() >= deadline or self.socket is None:
                raise TimeoutError(f"expected a complete PDU within {self.pdu_s} s")
            received = self.socket.recv_into(self.ahead.room(count))
            if received == 0:
                break
            self.ahead.came(received)
        self.heard_s = time.monotonic()


MakeDimse = Callable[[Association], Reception]


class NodeRequestHandler(RequestHandler):
    """Handles one connection in its own thread: the TLS handshake, then an association."""

    server: NodeServer
    request: socket.socket

    def handle(self) -> None:
        """Starts the association unless the TLS handshake fails."""
        try:
            self.request = self.server.secured(self.request)
        except OSError:
            self.request.close()
            stranger = AssociationRequest("", "", str(self.remote.address))
            self.server.admission.tell(Rejected(stranger, Reason.TLS))
            return
        super().handle()

    def _create_association(self) -> Association:
        association = super()._create_association()
        association.dimse = self.server.make_dimse(association)
        association.dul = NodeDul(association, association.dimse, self.server.admission)
        # Both are stored in the timers of the service provider, which was just replaced
        association.acse_timeout, association.network_timeout = self.ae.acse_timeout, self.ae.network_timeout
        association.set_socket(NodeSocket(association, self.request, self.server.pdu_s))
        self.server.admit(association)
        return association


class NodeServer(ThreadedAssociationServer):
    """Accepts connections; too many without a request make it close the oldest of them."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        *arguments: Any,
        make_dimse: MakeDimse,
        admission: Admission,
        waiting: int,
        pdu_s: float,
        **more: Any,
    ) -> None:
        self.make_dimse, self.admission, self.pdu_s, self.waiting = make_dimse, admission, pdu_s, waiting
        self.waiting_lock = threading.Lock()
        self.admitted: list[Association] = []
        more["request_handler"] = NodeRequestHandler
        super().__init__(*arguments, **more)
        self.ae._servers.append(self)  # as in AE.start_server, and as `shutdown` expects

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accepts a connection without Nagle's algorithm; the TLS handshake follows in its own thread."""
        assert self.socket is not None
        connection, address = self.socket.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.settimeout(self.pdu_s)
        return connection, address

    def secured(self, connection: socket.socket) -> socket.socket:
        """Returns the connection, after any TLS handshake. Raises OSError, also if that is too slow."""
        if self.ssl_context is None:
            return connection
        secured = self.ssl_context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        limit = threading.Timer(min(self.pdu_s, HANDSHAKE_S), cut, (secured,))
        limit.daemon = True
        limit.start()
        try:
            secured.do_handshake()
        finally:
            limit.cancel()
        return secured

    def admit(self, association: Association) -> None:
        """Registers a connection, and closes the oldest silent ones if there are too many."""
        with self.waiting_lock:
            self.admitted = [each for each in self.admitted if is_silent(each)]
            surplus = self.admitted[: max(0, len(self.admitted) + 1 - self.waiting)]
            self.admitted.append(association)
        for each in surplus:
            each.dul.event_queue.put("Evt17")
            if each.dul.socket is not None:
                each.dul.socket.close()


def cut(connection: ssl.SSLSocket) -> None:
    """Shuts down the plain socket, which wakes a waiting thread; SSLSocket.shutdown would drop TLS."""
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


def is_silent(association: Association) -> bool:
    """Returns whether a connection has not requested an association yet."""
    return association.requestor.primitive is None and not association._kill
