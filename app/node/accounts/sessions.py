"""The sessions of users, in memory: a restart of the page logs everybody out."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from app.node.accounts.accounts import Account

# Oldest sessions end first
MOST_SESSIONS = 10_000


@dataclass
class Session:
    """A browser's session: of an account, or of nobody yet. `messages` are shown once.

    `provider` is the issuer that has vouched for the account, '' for a local one.
    """

    account: Account | None
    began_s: float
    seen_s: float
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    messages: list[str] = field(default_factory=list)
    provider: str = ""


class Sessions:
    """All sessions, by the hash of the token that the browser holds."""

    def __init__(self, longest_s: float, idle_s: float, now_s: Callable[[], float]) -> None:
        self.longest_s, self.idle_s, self.now_s = longest_s, idle_s, now_s
        self.known: dict[str, Session] = {}
        self.lock = threading.Lock()

    def begin(self, account: Account | None, provider: str = "") -> tuple[str, Session]:
        """Returns a new session and its token."""
        token, now_s = secrets.token_urlsafe(32), self.now_s()
        session = Session(account, now_s, now_s, provider=provider)
        with self.lock:
            self.known = {key: each for key, each in self.known.items() if self._lasts(each, now_s)}
            while len(self.known) >= MOST_SESSIONS:
                self.known.pop(next(iter(self.known)))
            self.known[hash_of(token)] = session
        return token, session

    def find(self, token: str, is_use: bool = True) -> Session | None:
        """Returns the session of a token unless it is over; `is_use` notes that a person has used it now."""
        session, now_s = self.known.get(hash_of(token)), self.now_s()
        if session is None or not self._lasts(session, now_s):
            return None
        if is_use:
            session.seen_s = now_s
        return session

    def end(self, token: str) -> None:
        """Ends a session."""
        with self.lock:
            self.known.pop(hash_of(token), None)

    def _lasts(self, session: Session, now_s: float) -> bool:
        return now_s - session.began_s < self.longest_s and now_s - session.seen_s < self.idle_s


def hash_of(token: str) -> str:
    """Returns the hash by which a token or cookie of a browser is known."""
    return hashlib.sha256(token.encode()).hexdigest()
