"""HTTP requests with limits on time and size, without redirects, and without passwords in messages."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import httpcore

from app.node.peers.http_stream import HttpLimits, LimitedBackend
from app.node.settings.redaction import revealed
from operators.errors import TransientError

SENT_ALWAYS = {"Accept-Encoding": "identity", "Connection": "close", "User-Agent": "osteon"}

# Wrong credentials or paths are corrected by administrators; the others pass by themselves, as 5xx does
PASSING = frozenset((401, 403, 404, 408, 425, 429))


@dataclass(frozen=True)
class HttpAnswer:
    """A server's complete answer; `encoding` is the compression of its content, "" for none."""

    status: int
    content: bytes
    encoding: str = ""


def ask(
    method: str,
    url: str,
    name: str,
    context: ssl.SSLContext,
    limits: HttpLimits,
    headers: dict[str, str],
    content: bytes | Iterator[bytes] | None = None,
    *,
    status_alone: bool = False,
) -> HttpAnswer:
    """Sends a request to `url`, called `name` in messages, and returns the answer. Raises TransientError.

    With `status_alone` the answer's content is not read.
    """
    pool = httpcore.ConnectionPool(context, network_backend=LimitedBackend(limits))
    address, authorization = without_user(url)
    sent = {**headers, **SENT_ALWAYS, **authorization}
    try:
        with pool, pool.stream(method, address, headers=list(sent.items()), content=content) as response:
            body = b"" if status_alone else response.read()
            return HttpAnswer(response.status, body, _header(response, b"content-encoding"))
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
        # Without the address, which may hold a password.
        text = f"expected {name} to answer by HTTP, got {type(error).__name__}: is it running there?"
        code = "unreachable" if isinstance(error, httpcore.ConnectError) else "no_answer"
        raise TransientError(text, code=code) from error


def may_pass(status: int) -> bool:
    """Returns whether what a status refuses may be accepted later."""
    return status in PASSING or status >= 500


def without_user(url: str) -> tuple[str, dict[str, str]]:
    """Returns the address without user and password, and the header that carries them (RFC 7617)."""
    parts = urlsplit(revealed(url))
    user, password = parts.username, parts.password
    address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    if user is None:
        return address, {}
    pair = f"{unquote(user)}:{unquote(password or '')}".encode()
    return address, {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _header(response: httpcore.Response, name: bytes) -> str:
    values = [value for key, value in response.headers if key.lower() == name]
    return b",".join(values).decode("ascii", "replace").strip().lower()
