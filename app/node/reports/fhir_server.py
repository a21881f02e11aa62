"""Sends transactions to a FHIR R4 server (FHIR R4 http.html), and reads its answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from app.node.peers.http_client import HttpAnswer, ask, may_pass
from app.node.peers.http_stream import HttpLimits
from app.node.settings.configuration import NodeSettings
from app.node.settings.peer import Peer
from app.node.settings.redaction import revealed
from app.node.settings.tls import trusting
from operators.errors import OutputError, TransientError

CONNECT_S, ANSWER_BYTES = 30.0, 1 << 20
MEDIA_TYPE = "application/fhir+json"
DONE = frozenset((200, 201))


def send_bundle(bundle: Mapping[str, Any], peer: Peer, settings: NodeSettings) -> None:
    """Sends a transaction. Raises OutputError if the server refuses it for good, or TransientError."""
    content = json.dumps(bundle, ensure_ascii=False).encode()
    headers = {"Content-Type": f"{MEDIA_TYPE}; charset=utf-8", "Content-Length": str(len(content))}
    answer = request("POST", "", peer, settings, headers, content)
    if answer.status not in DONE or not all_written(answer.content, len(bundle["entry"])):
        raise OutputError(refusal(answer, peer), code="peer_refused")


def look(peer: Peer, settings: NodeSettings) -> None:
    """Raises TransientError unless the server states what it can do (FHIR R4 http.html#capabilities)."""
    answer = request("GET", "/metadata", peer, settings, {}, None)
    if answer.status != 200:
        raise TransientError(refusal(answer, peer), code=f"http_{answer.status}")


def request(
    method: str,
    path: str,
    peer: Peer,
    settings: NodeSettings,
    headers: Mapping[str, str],
    content: bytes | None,
) -> HttpAnswer:
    """Returns the answer to a request; redirects are not followed. Raises TransientError, OutputError."""
    target = peer.report
    assert target is not None
    limits = HttpLimits(settings.network_s, min(CONNECT_S, settings.network_s), ANSWER_BYTES)
    url = f"{revealed(target.fhir)}{path}"
    sent = {"Accept": MEDIA_TYPE, **headers, **authorization(peer)}
    answer = ask(method, url, peer.name, trusting(target.authority), limits, sent, content)
    if may_pass(answer.status):
        raise TransientError(refusal(answer, peer), code=f"http_{answer.status}")
    return answer


def authorization(peer: Peer) -> dict[str, str]:
    """Returns the header with the token (RFC 6750), if there is one. Raises TransientError."""
    assert peer.report is not None
    if peer.report.token_file is None:
        return {}
    try:
        token = peer.report.token_file.read_text(encoding="ascii").split("\n")[0].strip()
    except (OSError, ValueError) as error:
        raise TransientError(
            f"expected a readable token_file of {peer.name}, it is not", code="no_token"
        ) from error
    return {"Authorization": f"Bearer {token}"}


def refusal(answer: HttpAnswer, peer: Peer) -> str:
    """Returns what the server has answered, without its text, which may quote the patient."""
    redirect = ", a redirect, which is not followed" if 300 <= answer.status < 400 else ""
    return f"expected {peer.name} to take the report, got HTTP status {answer.status}{redirect}"


def all_written(content: bytes, count: int) -> bool:
    """Returns whether an answer says of each entry that it was written (FHIR R4 bundle.html)."""
    try:
        entries = json.loads(content)["entry"]
        statuses = [str(entry["response"]["status"]) for entry in entries]
    except (ValueError, LookupError, TypeError, RecursionError):
        return False
    return len(statuses) == count and all(status[:3] in ("200", "201") for status in statuses)
