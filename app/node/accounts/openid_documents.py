"""What an OpenID Connect provider publishes, its discovery document and its keys, and requests to it."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

from app.node.peers.http_client import ask
from app.node.peers.http_stream import HttpLimits
from app.node.settings.openid import OpenIdSettings, is_safe_address
from app.node.settings.tls import trusting
from operators.errors import OsteonError, TransientError

NAMED = "the identity provider"
ANSWER_S, ANSWER_BYTES = 10.0, 1 << 20
# A provider that hangs occupies no more threads of the page
ASKED_AT_ONCE = threading.BoundedSemaphore(4)
# How long its documents are used, and how soon unknown keys may make us ask again
DOCUMENT_S, KEYS_AGAIN_S = 3600.0, 60.0
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
SIGNING_KEYS = ("RSA", "EC", "OKP")


class SignInError(OsteonError):
    """A user is not let in; the text says why. `who` is known once the provider has vouched for somebody."""

    code = "sign_in"

    def __init__(self, text: str, *, code: str | None = None, who: str = "unknown") -> None:
        super().__init__(text, code=code)
        self.who = who


class ProviderDocuments:
    """What a provider publishes, read when it is needed and kept for an hour.

    Methods raise TransientError if the provider does not answer, and SignInError for what cannot be used.
    """

    def __init__(self, settings: OpenIdSettings, now_s: Callable[[], float]) -> None:
        self.settings, self.now_s = settings, now_s
        self.known: tuple[float, dict[str, Any]] | None = None
        self.known_keys: tuple[float, list[Any]] | None = None

    @cached_property
    def context(self) -> ssl.SSLContext:
        """Returns a context that trusts the setting's authorities. Raises UsageError for unreadable ones."""
        return trusting(self.settings.authority)

    def discovery(self) -> dict[str, Any]:
        """Returns the discovery document (OpenID Connect Discovery 1.0 4)."""
        if self.known is None or self.now_s() - self.known[0] >= DOCUMENT_S:
            found = self.get(f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration")
            require_usable(found, self.settings.issuer)
            self.known = self.now_s(), found
        return self.known[1]

    def keys(self, is_new: bool = False) -> list[Any]:
        """Returns the keys for signatures, read again after an hour, or after a minute if `is_new`."""
        limit_s = KEYS_AGAIN_S if is_new else DOCUMENT_S
        if self.known_keys is None or self.now_s() - self.known_keys[0] >= limit_s:
            self.known_keys = self.now_s(), list(usable_keys(self.get(self.discovery()["jwks_uri"])))
        return self.known_keys[1]

    def get(self, address: str) -> dict[str, Any]:
        """Returns a document in JSON."""
        return self.request("GET", address, {"Accept": "application/json"})

    def request(
        self, method: str, address: str, headers: dict[str, str], content: bytes | None = None
    ) -> dict[str, Any]:
        """Returns an answer in JSON; redirects are refused."""
        limits = HttpLimits(ANSWER_S, ANSWER_S, ANSWER_BYTES)
        if not ASKED_AT_ONCE.acquire(blocking=False):
            raise TransientError(f"expected {NAMED} to be free, too many sign-ins wait for it", code="busy")
        try:
            answer = ask(method, address, NAMED, self.context, limits, headers, content)
        finally:
            ASKED_AT_ONCE.release()
        if answer.status >= 500:
            text = f"expected {NAMED} to answer, got HTTP status {answer.status}"
            raise TransientError(text, code=f"http_{answer.status}")
        found = object_in(answer.content)
        if answer.status != 200 or found is None:
            raise SignInError(
                f"expected JSON with HTTP status 200 from {NAMED}, got status {answer.status}{said(found)}",
                code="provider_refused",
            )
        return found


def object_in(content: bytes) -> dict[str, Any] | None:
    """Returns the JSON object of an answer, or None for anything else."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def said(answer: Mapping[str, Any] | None) -> str:
    """Returns the error code of an answer, if it is one of RFC 6749 5.2; these are the site's to correct."""
    hints = {
        "invalid_client": "; are client_id and client_secret right?",
        "invalid_grant": "; the code was used before or is too old, or the redirect URI is another",
        "unauthorized_client": "; does it allow this client the authorization code flow?",
    }
    code = (answer or {}).get("error")
    return f" and {code}{hints[code]}" if code in hints else ""


def require_usable(document: Mapping[str, Any], issuer: str) -> None:
    """Raises SignInError unless the document is the issuer's own, and its endpoints can be trusted."""
    if document.get("issuer") != issuer:
        raise SignInError(
            f"expected the discovery document of {issuer}, got one of another issuer; is the setting exactly "
            "as the provider writes it?",
            code="wrong_issuer",
        )
    unsafe = [name for name in ENDPOINTS if not is_safe_address(document.get(name))]
    if unsafe:
        raise SignInError(
            f"expected https addresses in {', '.join(unsafe)} of the discovery document, got others"
        )
    methods = document.get("code_challenge_methods_supported")
    if isinstance(methods, list) and "S256" not in methods:
        raise SignInError("expected a provider that supports PKCE with S256, it does not")


def usable_keys(document: Mapping[str, Any]) -> Iterator[Any]:
    """Yields the keys for signatures; others, and those that the library does not know, are passed over."""
    from joserfc.errors import JoseError
    from joserfc.jwk import import_key

    listed = document.get("keys")
    for each in listed if isinstance(listed, list) else ():
        if not isinstance(each, dict) or each.get("kty") not in SIGNING_KEYS or each.get("use") == "enc":
            continue
        try:
            yield import_key(each)
        except (JoseError, ValueError, TypeError, KeyError):
            continue
