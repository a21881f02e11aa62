"""Slow links, and a file that is large for them."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.node.peers.destination import Outgoing
from operators.dicom.elements.instance_identity import read_outgoing
from tests.support.dicom import phantoms

AFFINE = phantoms.axial_affine()
HU = phantoms.position_volume((16, 12, 2), AFFINE)
# Time slice of a link's rate limit
SLICE_S = 0.02
# Socket buffer size: a link should hold little itself
SMALL_BUFFER_BYTES = 1 << 16


def large_file(path: Path, megabytes: float) -> Outgoing:
    """Writes a CT with this many megabytes (SI) of pixel data."""
    dataset = phantoms.ct_slice(HU, AFFINE, 0)
    dataset.PixelData = bytes(range(250)) * int(4000 * megabytes)
    phantoms.save(dataset, path)
    return Outgoing(path, *read_outgoing(path))


class Link:
    """A proxy on loopback to `port` with a limit of bytes per second, and of `most_bytes` in all."""

    def __init__(self, port: int, bytes_per_s: float, most_bytes: float = float("inf")) -> None:
        self.target, self.bytes_per_s, self.most_bytes = port, bytes_per_s, most_bytes
        self.passed_bytes = 0
        self.ended = threading.Event()
        self.door = socket.socket()
        self.door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
        self.door.bind(("127.0.0.1", 0))
        self.door.listen()
        self.port = int(self.door.getsockname()[1])

    def serve(self) -> None:
        """Accepts connections until the socket is closed."""
        with suppress(OSError):
            while True:
                near, _ = self.door.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
                for work in ((self.slowly, near, far), (self.at_once, far, near)):
                    threading.Thread(target=work[0], args=work[1:], daemon=True).start()

    def slowly(self, near: socket.socket, far: socket.socket) -> None:
        """Forwards the node's data at the limited rate."""
        with suppress(OSError):
            while self.passed_bytes < self.most_bytes:
                block = near.recv(max(1, int(self.bytes_per_s * SLICE_S)))
                if not block:
                    break
                self.passed_bytes += len(block)  # before the peer can answer
                far.sendall(block)
                time.sleep(len(block) / self.bytes_per_s)
            else:
                self.ended.wait()
            far.shutdown(socket.SHUT_WR)

    @staticmethod
    def at_once(far: socket.socket, near: socket.socket) -> None:
        """Forwards answers without a limit."""
        with suppress(OSError):
            while block := far.recv(1 << 16):
                near.sendall(block)
            near.shutdown(socket.SHUT_WR)


@contextmanager
def slow_link(port: int, bytes_per_s: float, most_bytes: float = float("inf")) -> Iterator[Link]:
    """Runs a slow link in threads of this process."""
    link = Link(port, bytes_per_s, most_bytes)
    threading.Thread(target=link.serve, daemon=True).start()
    try:
        yield link
    finally:
        link.ended.set()
        link.door.close()
