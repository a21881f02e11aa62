"""The socket of an association that this node requested, which gives up on slow peers."""

from __future__ import annotations

import socket

from pynetdicom.association import Association
from pynetdicom.transport import T_CONNECT, AddressInformation, AssociationSocket

from app.node.peers.connection import PeerConnection

# The largest accepted PDU, and its header; an A-ASSOCIATE-AC with 128 contexts is far smaller.
MAXIMUM_PDU_BYTES, PDU_HEADER_BYTES = 131072, 6
# PS3.8 9.2.1: the transport connection is open; it is closed
OPEN, CLOSED = "Evt2", "Evt17"


class RequestorSocket(AssociationSocket):
    """A socket that gives up on peers that accept nothing, send too slowly or send too much."""

    peer: PeerConnection | None = None
    socket: socket.socket | None

    def __init__(self, association: Association, address: AddressInformation, silence_s: float) -> None:
        super().__init__(association, address=address)
        self.silence_s = silence_s

    @property
    def silent_s(self) -> float:
        """Returns the seconds since the peer accepted the last byte."""
        return 0.0 if self.peer is None else self.peer.silent_s

    def connect(self, primitive: T_CONNECT) -> None:
        """Connects, by TLS if that is set, without falling back to an unencrypted connection."""
        limit_s = self.assoc.connection_timeout
        try:
            assert self.socket is not None
            # Command and data set are two writes: Nagle's algorithm would delay each file
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket.settimeout(limit_s)
            self.socket.connect(primitive.address_info.as_tuple)
            self.peer = PeerConnection(self.socket, self.silence_s)
            if self.tls_args is not None:
                context, host = self.tls_args
                self.peer.secure(context, host, limit_s or self.silence_s)
                self.socket = self.peer.socket
            self.assoc.requestor.address_info = AddressInformation.from_tuple(self.socket.getsockname())
            self._is_connected = True
            primitive.result = OPEN
        except (OSError, ValueError):
            self.hang_up()
            self.socket = None
            primitive.result = CLOSED
        finally:
            self.provider_queue.put(primitive)
            self._ready.set()

    @property
    def ready(self) -> bool:
        """Returns whether there is something to read."""
        if self.peer is None or self.socket is None or not self._is_connected:
            return False
        try:
            return self.peer.is_readable()
        except (OSError, ValueError):
            self.event_queue.put(CLOSED)
            return False

    def recv(self, nr_bytes: int) -> bytearray:
        """Reads exactly `nr_bytes`, fewer if the peer hung up. Raises OSError if too many or too slow."""
        assert self.peer is not None
        if nr_bytes > MAXIMUM_PDU_BYTES + PDU_HEADER_BYTES:
            raise OSError(f"expected a PDU of at most {MAXIMUM_PDU_BYTES} bytes, got {nr_bytes}")
        deadline_s, got = self.peer.now_s() + self.silence_s, bytearray()
        while len(got) < nr_bytes:
            received = self.peer.receive(nr_bytes - len(got), deadline_s)
            if not received:
                break
            got += received
        return got

    def send(self, bytestream: bytes) -> None:
        """Sends all bytes; on failure the connection is over."""
        try:
            assert self.peer is not None
            self.peer.send(bytestream)
        except OSError:
            self.event_queue.put(CLOSED)

    def hang_up(self) -> None:
        """Closes the connection, which wakes a waiting thread."""
        if self.peer is not None:
            self.peer.cut()
        elif self.socket is not None:
            self.socket.close()

    def _shutdown_socket(self) -> None:
        self.hang_up()
