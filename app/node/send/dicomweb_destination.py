"""Sends files to one peer by STOW-RS (PS3.18 10.5)."""

from __future__ import annotations

import json
import ssl
import uuid
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from app.node.peers.destination import Outgoing, Refused, require_stored
from app.node.peers.http_client import HttpAnswer, ask, may_pass
from app.node.peers.http_stream import HttpLimits
from app.node.receive.dicomweb_response import FAILED, FAILURE_REASON, OTHER_FAILURES, SOP_INSTANCE
from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer
from app.node.settings.redaction import revealed
from app.node.settings.tls import client_context
from operators.errors import OutputError, TransientError

# PS3.18 10.5.3.2: all, some or no instances are stored; the body names those that are not
ANSWERED = frozenset((200, 202, 409))
READ_BYTES = 1 << 20
# Maximum size of an answer, also after decompression, plus an allowance for each instance
ANSWER_BYTES, ANSWER_BYTES_OF_FILE = 1 << 20, 1 << 11
# RFC 9110 8.4.1; some servers compress even if asked not to
COMPRESSED = frozenset(("gzip", "x-gzip", "deflate"))
# PS3.5 B.2: a UID derived from the nil UUID, which no study has
NOBODYS = "2.25.0"


def store(files: Sequence[Outgoing], peer: Peer, settings: NodeSettings) -> list[Refused]:
    """Sends all files in one request; returns those refused for good. Raises TransientError."""
    boundary = uuid.uuid4().hex
    head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    end = f"--{boundary}--\r\n".encode()
    length = sum(len(head) + file.path.stat().st_size + 2 for file in files) + len(end)
    headers = {
        "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
        "Content-Length": str(length),
        "Accept": "application/dicom+json",
    }
    most_bytes = ANSWER_BYTES + len(files) * ANSWER_BYTES_OF_FILE
    answer = request("POST", "studies", peer, settings, headers, _body(files, head, end), most_bytes)
    try:
        failed = _failed(answer, peer)
    except OutputError as error:
        return [Refused(file, error) for file in files]
    errors = {uid: _refusal(status, peer) for uid, status in failed}
    unnamed = errors.get("")
    found = [(file, errors.get(file.sop_instance_uid, unnamed)) for file in files]
    return [Refused(file, refusal) for file, refusal in found if refusal]


def echo(peer: Peer, settings: NodeSettings) -> None:
    """Raises TransientError if the peer does not answer by HTTP or denies access."""
    request(
        "GET", f"studies?StudyInstanceUID={NOBODYS}", peer, settings, {"Accept": "application/dicom+json"}
    )


def request(
    method: str,
    target: str,
    peer: Peer,
    settings: NodeSettings,
    headers: dict[str, str],
    content: Iterator[bytes] | None = None,
    most_bytes: int = ANSWER_BYTES,
) -> HttpAnswer:
    """Returns the peer's answer; all waits are limited, redirects are not followed. Raises TransientError."""
    limits = HttpLimits(settings.network_s, min(settings.network_s, 30), most_bytes)
    # Formatting peer.stow would hide its password
    url = f"{revealed(peer.stow)}/{target}"
    answer = ask(method, url, peer.name, trusted_context(peer, settings), limits, headers, content)
    if may_pass(answer.status):
        raise TransientError(_got(answer, peer), code=f"http_{answer.status}")
    return replace(answer, content=inflate_bounded(answer.content, answer.encoding, most_bytes))


def trusted_context(peer: Peer, settings: NodeSettings) -> ssl.SSLContext:
    """Returns a context with this node's certificates if the peer has `tls`, else with the system's."""
    return client_context(peer, settings) if peer.tls else ssl.create_default_context()


def inflate_bounded(content: bytes, encoding: str, most_bytes: int) -> bytes:
    """Returns a decompressed answer, or b"" if it is too long or its encoding is unknown."""
    if encoding not in COMPRESSED:
        return content if encoding in ("", "identity") else b""
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        plain = inflater.decompress(content, most_bytes)
    except zlib.error:
        return b""
    return plain if inflater.eof else b""


def _body(files: Sequence[Outgoing], head: bytes, end: bytes) -> Iterator[bytes]:
    for each in files:
        yield head
        with each.path.open("rb") as file:
            while block := file.read(READ_BYTES):
                yield block
        yield b"\r\n"
    yield end


def _failed(answer: HttpAnswer, peer: Peer) -> list[tuple[str, int]]:
    """Returns UID and status of the instances that were not stored (PS3.18 I.2); '' for an unnamed one.

    Raises OutputError if none was stored.
    """
    if answer.status not in ANSWERED:
        raise OutputError(_got(answer, peer), code="peer_refused")
    if answer.status == 200:
        return []
    try:
        content = json.loads(answer.content)
        items = [item for key in (FAILED, OTHER_FAILURES) for item in content.get(key, {}).get("Value", ())]
        failed = [(_named(item), int(item[FAILURE_REASON]["Value"][0])) for item in items]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise OutputError(_got(answer, peer) + " and no DICOM JSON", code="peer_refused") from error
    if not failed and answer.status == 409:
        raise OutputError(_got(answer, peer), code="peer_refused")
    return failed


def _named(item: dict[str, Any]) -> str:
    return str(item[SOP_INSTANCE]["Value"][0]) if SOP_INSTANCE in item else ""


def _refusal(status: int, peer: Peer) -> OutputError | None:
    """Returns the error for a status, or None if the instance was stored. Raises TransientError."""
    try:
        require_stored(status, peer)
    except OutputError as error:
        return error
    return None


def _got(answer: HttpAnswer, peer: Peer) -> str:
    redirect = ", a redirect, which is not followed" if 300 <= answer.status < 400 else ""
    return f"expected {peer.name} to store the result, got HTTP status {answer.status}{redirect}"
