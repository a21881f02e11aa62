"""Headers that protect every answer of the page, and limits of what a request may send."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# The longest form has a few short fields
MOST_BODY_BYTES = 32 << 10
# Packed labels of a whole CT with all bones are 3 MB
LABELS_PATH, MOST_LABELS_BYTES = "/corrections", 32 << 20
TOO_LARGE, LENGTH_REQUIRED = 413, 411
# Everything comes from this server, and no page may run or style anything of its own
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer, with which browsers hide the origin of our own forms
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
YEAR_S = 31_536_000


class ProtectedAnswers:
    """Adds the headers, and refuses bodies that are too large or of unknown length."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one ASGI request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                add_headers(MutableHeaders(scope=message), is_https=scope["scheme"] == "https")
            await send(message)

        most = MOST_LABELS_BYTES if scope["path"].endswith(LABELS_PATH) else MOST_BODY_BYTES
        status = body_refusal(Headers(scope=scope), most)
        if status:
            refusal = PlainTextResponse("expected a short form", status, {"Connection": "close"})
            await refusal(scope, receive, protected)
            return
        await self.app(scope, receive, protected)


def add_headers(headers: MutableHeaders, is_https: bool) -> None:
    """Adds the headers that an answer has not set itself; nothing is stored by browsers or proxies."""
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    headers.setdefault("Cache-Control", "no-store")
    if is_https:
        headers.setdefault("Strict-Transport-Security", f"max-age={YEAR_S}")


def body_refusal(headers: Headers, most_bytes: int = MOST_BODY_BYTES) -> int:
    """Returns the status of a refusal, or 0."""
    if "transfer-encoding" in headers:
        return LENGTH_REQUIRED
    length = headers.get("content-length", "0")
    return 0 if length.isdigit() and int(length) <= most_bytes else TOO_LARGE
