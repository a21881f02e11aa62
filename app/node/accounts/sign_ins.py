"""The sign-ins that users have begun at a provider, in memory: each is answered once, by the same browser."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass

from app.node.accounts.sessions import hash_of

# Time for a password and a second factor at the provider
LONGEST_S = 600.0
# The oldest are forgotten first
MOST_SIGN_INS = 1000


@dataclass(frozen=True)
class SignIn:
    """One sign-in: `state` names it, `nonce` is in its ID token, `verifier` proves who began it (RFC 7636).

    `browser` is the hash of a cookie of the browser that began it.
    """

    state: str
    nonce: str
    verifier: str
    browser: str
    began_s: float


class SignIns:
    """All sign-ins that wait for the provider's answer."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self.now_s = now_s
        self.known: dict[str, SignIn] = {}
        self.lock = threading.Lock()

    def begin(self) -> tuple[str, SignIn]:
        """Returns a cookie for the browser, and a new sign-in."""
        cookie, state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(4))
        made = SignIn(state, nonce, verifier, hash_of(cookie), self.now_s())
        with self.lock:
            while len(self.known) >= MOST_SIGN_INS:
                self.known.pop(next(iter(self.known)))
            self.known[state] = made
        return cookie, made

    def take(self, state: str, cookie: str) -> SignIn | None:
        """Returns the sign-in of a state, once and only to the browser that began it; None for any other."""
        with self.lock:
            found = self.known.pop(state, None)
        if found is None or self.now_s() - found.began_s > LONGEST_S:
            return None
        return found if secrets.compare_digest(found.browser, hash_of(cookie)) else None
