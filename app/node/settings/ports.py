"""Binds ports, and explains why one cannot be bound."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable
from ipaddress import ip_address
from typing import TypeVar

from operators.errors import OutputError

# The port of a killed node becomes free when its last process ends, within moments.
PATIENCE_S, POLL_S = 5.0, 0.1
# uvicorn accepts this many connections before it handles any, so that many are open at once.
BACKLOG = 64
REASONS = {
    errno.EADDRINUSE: "another program, perhaps a running node, listens there",
    errno.EACCES: "ports below 1024 require the right to bind them (CAP_NET_BIND_SERVICE)",
    errno.EADDRNOTAVAIL: "this machine has no such address",
}
Bound = TypeVar("Bound")


class PortError(OutputError):
    """The node cannot listen on a port, and a retry will not help."""

    code = "port"


def bound(
    bind: Callable[[], Bound], host: str, port: int, now_s: Callable[[], float] = time.monotonic
) -> Bound:
    """Returns what `bind` returns, retrying for some seconds while the port is in use. Raises PortError."""
    deadline_s = now_s() + PATIENCE_S
    while True:
        try:
            return bind()
        except OSError as error:
            if error.errno == errno.EADDRINUSE and now_s() < deadline_s:
                time.sleep(POLL_S)
                continue
            reason = REASONS.get(error.errno or 0)
            if isinstance(error, socket.gaierror):
                reason = "the host name cannot be resolved"
            # Other causes may pass, such as a lack of file descriptors
            if reason is None:
                raise
            raise PortError(f"expected to listen on {host}:{port}: {reason}") from error


def http_socket(host: str, port: int) -> socket.socket:
    """Returns a listening socket. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def is_ip(address: str) -> bool:
    """Returns whether an address is an IP address rather than a host name."""
    try:
        ip_address(address)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Returns whether a host is this machine's loopback address or its name."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
