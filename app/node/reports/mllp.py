"""Sends HL7 v2 messages by the Minimal Lower Layer Protocol (MLLP release 1), and reads acknowledgements."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from app.node.peers.connection import PeerConnection
from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer
from app.node.settings.tls import trusting
from operators.errors import OutputError, TransientError

# Begin and end of a message
BEGIN, END = b"\x0b", b"\x1c\r"
ANSWER_BYTES, READ_BYTES = 1 << 16, 1 << 12
CONNECT_S = 30.0
# Table 0008, in the original and in the enhanced mode: accepted; an error in the content; rejected
ACCEPTED, ERROR, REJECTED = ("AA", "CA"), ("AE", "CE"), ("AR", "CR")
# Table 0357: an error of the receiving application, which passes
INTERNAL_ERROR = "207"


def send_message(message: str, control_id: str, peer: Peer, settings: NodeSettings) -> None:
    """Sends a message and waits until the receiver has accepted it.

    Raises OutputError if it never will (AE), TransientError if it does not now (AR), or does not answer.
    """
    connection = connect(peer, settings)
    try:
        connection.send(BEGIN + message.encode() + END)
        answer = framed_answer(connection, settings.network_s)
    except TimeoutError as error:
        text = f"expected {peer.name} to acknowledge a message within {settings.network_s:g} s, it did not"
        raise TransientError(text, code="no_answer") from error
    except OSError as error:
        text = f"expected {peer.name} to acknowledge a message, it closed the connection"
        raise TransientError(text, code="no_answer") from error
    finally:
        connection.cut()
    require_accepted(answer, control_id, peer)


def connect(peer: Peer, settings: NodeSettings) -> PeerConnection:
    """Opens a connection to the receiver, with TLS for mllps. Raises TransientError or UsageError."""
    assert peer.report is not None
    parts = urlsplit(peer.report.hl7)
    assert parts.hostname is not None
    within_s = min(CONNECT_S, settings.network_s)
    context = trusting(peer.report.authority) if parts.scheme == "mllps" else None
    try:
        plain = socket.create_connection((parts.hostname, parts.port or 0), within_s)
        connection = PeerConnection(plain, settings.network_s)
    except OSError as error:
        raise unreachable(peer, "accept connections") from error
    if context is not None:
        try:
            connection.secure(context, parts.hostname, within_s)
        except (OSError, ValueError) as error:
            connection.cut()
            raise unreachable(peer, "agree on TLS") from error
    return connection


def unreachable(peer: Peer, what: str) -> TransientError:
    """Returns the error for a receiver that cannot be reached."""
    return TransientError(
        f"expected {peer.name} at {peer.address} to {what}, it does not: is it running there?",
        code="unreachable",
    )


def framed_answer(connection: PeerConnection, within_s: float) -> bytes:
    """Returns the receiver's answer without its frame; b"" if its frame is broken or it is too long.

    Raises TimeoutError or OSError if it does not arrive.
    """
    deadline_s, received = connection.now_s() + within_s, b""
    while END not in received:
        if received and not received.startswith(BEGIN):
            return b""
        block = connection.receive(READ_BYTES, deadline_s)
        if not block:
            raise OSError("expected an answer, got the end")
        received += block
        if len(received) > ANSWER_BYTES:
            return b""
    content, _, rest = received.partition(END)
    return content.removeprefix(BEGIN) if content.startswith(BEGIN) and not rest else b""


def require_accepted(answer: bytes, control_id: str, peer: Peer) -> None:
    """Raises TransientError or OutputError unless the answer accepts the message of this id."""
    fields = acknowledgement(answer)
    if fields is None or fields[1] != control_id:
        text = f"expected {peer.name} to acknowledge the message, got an answer that does not"
        raise TransientError(text, code="bad_answer")
    code, cause = fields[0], error_code(answer)
    got = f"expected {peer.name} to accept the report, got {code}{f' with error {cause}' if cause else ''}"
    if code in REJECTED or (code in ERROR and cause == INTERNAL_ERROR):
        raise TransientError(got, code="peer_rejected")
    if code not in ACCEPTED:
        raise OutputError(got, code="peer_refused")


def acknowledgement(answer: bytes) -> tuple[str, str] | None:
    """Returns MSA-1 and MSA-2 of an acknowledgement, or None if there is no valid one."""
    rows = segments_of(answer)
    header, found = rows.get("MSH"), rows.get("MSA")
    if header is None or found is None or len(found) < 3:
        return None
    known = (*ACCEPTED, *ERROR, *REJECTED)
    return (found[1], found[2].strip()) if found[1] in known else None


def error_code(answer: bytes) -> str:
    """Returns the HL7 error code (ERR-3.1) of an acknowledgement, '' if it names none."""
    row = segments_of(answer).get("ERR", [])
    code = row[3].partition("^")[0] if len(row) > 3 else ""
    return code if code.isdigit() and len(code) == len(INTERNAL_ERROR) else ""


def segments_of(answer: bytes) -> dict[str, list[str]]:
    """Returns the fields of the first segment of each name; the text of others is not looked at."""
    found: dict[str, list[str]] = {}
    for row in answer.decode("latin-1").split("\r"):
        fields = row.split("|")
        found.setdefault(fields[0].strip(), fields)
    return found
