"""Protects the HTTP port from browsers: refuses foreign host names and requests from other web pages."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.node.settings.ports import is_ip

log = structlog.get_logger()

# RFC 9110 9.2.1: safe methods
SAFE = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
FORBIDDEN, MISDIRECTED = 403, 421
SENTENCES = {
    FORBIDDEN: "expected a request without another origin",
    MISDIRECTED: "expected a name of the node as host; the setting `http_names` adds names",
}
LOCALHOST = "localhost"


class RequestGuard:
    """Refuses requests for another host (421) and changes requested by a web page of another origin (403).

    With DNS rebinding, a foreign name that resolves to this address makes a browser treat the node as part of
    the foreign site; IP addresses and the node's own names cannot be abused like this.
    """

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self.app, self.names = app, frozenset(name.lower().rstrip(".") for name in (LOCALHOST, *names))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one ASGI request."""
        status = self.refusal(scope) if scope["type"] == "http" else 0
        if not status:
            await self.app(scope, receive, send)
            return
        log.warning("http_refused", status=status)
        await PlainTextResponse(SENTENCES[status], status, {"Connection": "close"})(scope, receive, send)

    def refusal(self, scope: Scope) -> int:
        """Returns the HTTP status of a refusal, or 0."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self.is_own(hosts[0]):
            return MISDIRECTED
        is_foreign = any(_netloc(origin) != hosts[0].lower() for origin in headers.getlist("origin"))
        return FORBIDDEN if is_foreign and scope["method"] not in SAFE else 0

    def is_own(self, host: str) -> bool:
        """Returns whether a Host header is one of the node's names or any IP address, with any port."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        return name in self.names or is_ip(name)


def _netloc(origin: str) -> str:
    """Returns the host and port of an origin, or '' for the opaque origin `null` or an invalid one."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
