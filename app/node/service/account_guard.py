"""Admits requests of the HTTP port by accounts, with HTTP Basic authentication (RFC 7617)."""

from __future__ import annotations

import hashlib
import secrets
import time
from base64 import b64decode
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.node.accounts.accounts import Account, Accounts, Role
from app.node.watch.rate_limit import RateLimits

# The least role by the beginning of the path; whoever asks for health and liveness holds no password
ROLES: dict[str, Role] = {"/metrics": "viewer", "/studies": "operator"}
UNAUTHORIZED, FORBIDDEN, TOO_MANY = 401, 403, 429
ASKS = {"WWW-Authenticate": 'Basic realm="Osteon", charset="UTF-8"', "Connection": "close"}
# Checking a password takes about 50 ms and 64 MB, too much for each request of a long study
REMEMBERED_S, MOST_REMEMBERED = 300.0, 100
ATTEMPTS_AT_ONCE, ATTEMPT_EVERY_S = 10, 10.0


class AccountGuard:
    """Refuses requests without the name and password of an account with the role for a path."""

    def __init__(self, app: ASGIApp, accounts: Accounts, now_s: Callable[[], float] = time.monotonic) -> None:
        self.app, self.accounts, self.now_s = app, accounts, now_s
        self.limits = RateLimits(ATTEMPTS_AT_ONCE, ATTEMPT_EVERY_S, now_s)
        self.salt = secrets.token_bytes(32)
        self.remembered: dict[bytes, tuple[Account, float]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one ASGI request."""
        status = await self.refusal(scope) if scope["type"] == "http" else 0
        if not status:
            await self.app(scope, receive, send)
            return
        headers = ASKS if status == UNAUTHORIZED else {"Connection": "close"}
        await PlainTextResponse("expected an account", status, headers)(scope, receive, send)

    async def refusal(self, scope: Scope) -> int:
        """Returns the status of a refusal, or 0."""
        path = scope["path"]
        role = next(
            (role for begin, role in ROLES.items() if path == begin or path.startswith(f"{begin}/")), None
        )
        if role is None:
            return 0
        given = Headers(scope=scope).get("authorization", "")
        account = self._remembered(given)
        if account is None:
            address = scope["client"][0] if scope["client"] else ""
            if given and not self.limits.passed(address):
                return TOO_MANY
            account = await run_in_threadpool(self._checked, given)
        if account is None:
            return UNAUTHORIZED
        return 0 if account.may(role) else FORBIDDEN

    def _key(self, given: str) -> bytes:
        return hashlib.sha256(self.salt + given.encode()).digest()

    def _remembered(self, given: str) -> Account | None:
        """Returns the account of a header that was right a short time ago, unless it was changed since."""
        account, until_s = self.remembered.get(self._key(given), (None, 0.0))
        if account is None or self.now_s() > until_s or self.accounts.all().get(account.name) != account:
            return None
        return account

    def _checked(self, given: str) -> Account | None:
        name, password = credentials(given)
        account = self.accounts.verified(name, password) if name else None
        if account is not None:
            if len(self.remembered) >= MOST_REMEMBERED:
                self.remembered.clear()
            self.remembered[self._key(given)] = account, self.now_s() + REMEMBERED_S
        return account


def credentials(header: str) -> tuple[str, str]:
    """Returns name and password of an Authorization header; empty ones for any other header."""
    scheme, _, encoded = header.partition(" ")
    try:
        name, colon, password = b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return (name, password) if scheme.lower() == "basic" and colon else ("", "")
