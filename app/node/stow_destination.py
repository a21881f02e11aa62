"""Sends files to one peer by STOW-RS (PS3.18 10.5), and says what became of each try."""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import httpx

from app.node.configuration import NodeSettings, Peer
from app.node.destination import Outgoing, Refused, require_stored
from app.node.stow_response import FAILED, FAILURE_REASON, OTHER_FAILURES, SOP_INSTANCE
from app.node.tls import client_context
from operators.errors import OutputError, TransientError

# PS3.18 10.5.3.2: all are stored, some, none; the body names those that are not
ANSWERED = frozenset((200, 202, 409))
# Who may send, and where to, is mended by people; the others pass by themselves, as 5xx does.
PASSING = frozenset((401, 403, 404, 408, 425, 429))
READ_BYTES = 1 << 20
# PS3.5 B.2: a UID made of a UUID, here of none; no study has it
NOBODYS = "2.25.0"


def store(files: Sequence[Outgoing], peer: Peer, settings: NodeSettings) -> list[Refused]:
    """All files in one request; those that the peer will never take. Raises TransientError."""
    boundary = uuid.uuid4().hex
    head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    end = f"--{boundary}--\r\n".encode()
    length = sum(len(head) + file.path.stat().st_size + 2 for file in files) + len(end)
    headers = {
        "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
        "Content-Length": str(length),
        "Accept": "application/dicom+json",
    }
    answer = asked("POST", peer, settings, headers=headers, content=_body(files, head, end))
    try:
        failed = _failed(answer, peer)
    except OutputError as error:
        return [Refused(file, error) for file in files]
    errors = {uid: _refusal(status, peer) for uid, status in failed}
    unnamed = errors.get("")
    found = [(file, errors.get(file.sop_instance_uid, unnamed)) for file in files]
    return [Refused(file, refusal) for file, refusal in found if refusal]


def echo(peer: Peer, settings: NodeSettings) -> None:
    """Raises TransientError where the peer does not answer by HTTP, or does not let this node in."""
    asked("GET", peer, settings, params={"StudyInstanceUID": NOBODYS})


def asked(method: str, peer: Peer, settings: NodeSettings, **request: Any) -> httpx.Response:
    """What the peer says; no time-out is endless. Raises TransientError."""
    trusted = client_context(settings.tls) if peer.tls and settings.tls else ssl.create_default_context()
    try:
        with httpx.Client(verify=trusted, timeout=settings.network_s, trust_env=False) as client:
            answer = client.request(method, f"{peer.stow}/studies", **request)
    except httpx.TransportError as error:
        # Not the address: it may hold a password.
        text = f"expected {peer.name} to answer by HTTP, got {type(error).__name__}: is it running there?"
        code = "no_answer" if isinstance(error, httpx.ReadTimeout) else "unreachable"
        raise TransientError(text, code=code) from error
    if answer.status_code in PASSING or answer.status_code >= 500:
        raise TransientError(_got(answer, peer), code=f"http_{answer.status_code}")
    return answer


def _body(files: Sequence[Outgoing], head: bytes, end: bytes) -> Iterator[bytes]:
    for each in files:
        yield head
        with each.path.open("rb") as file:
            while block := file.read(READ_BYTES):
                yield block
        yield b"\r\n"
    yield end


def _failed(answer: httpx.Response, peer: Peer) -> list[tuple[str, int]]:
    """Instance and status of what was not stored (PS3.18 I.2); '' where it is not named.

    Raises OutputError where nothing was.
    """
    if answer.status_code not in ANSWERED:
        raise OutputError(_got(answer, peer), code="peer_refused")
    if answer.status_code == 200:
        return []
    try:
        content = answer.json()
        items = [item for key in (FAILED, OTHER_FAILURES) for item in content.get(key, {}).get("Value", ())]
        failed = [(_named(item), int(item[FAILURE_REASON]["Value"][0])) for item in items]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise OutputError(_got(answer, peer) + " and no DICOM JSON", code="peer_refused") from error
    if not failed and answer.status_code == 409:
        raise OutputError(_got(answer, peer), code="peer_refused")
    return failed


def _named(item: dict[str, Any]) -> str:
    return str(item[SOP_INSTANCE]["Value"][0]) if SOP_INSTANCE in item else ""


def _refusal(status: int, peer: Peer) -> OutputError | None:
    """None for what is stored all the same. Raises TransientError."""
    try:
        require_stored(status, peer)
    except OutputError as error:
        return error
    return None


def _got(answer: httpx.Response, peer: Peer) -> str:
    return f"expected {peer.name} to store the result, got HTTP status {answer.status_code}"
