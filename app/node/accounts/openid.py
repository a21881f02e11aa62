"""Signs users in by an OpenID Connect provider: authorization code flow with PKCE.

Sections without a name are those of OpenID Connect Core 1.0.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from app.node.accounts.accounts import ROLES, Account, Role
from app.node.accounts.openid_documents import ProviderDocuments, SignInError
from app.node.accounts.sign_ins import SignIn
from app.node.settings.openid import OpenIdSettings, is_safe_address
from app.node.settings.redaction import revealed

# Signatures that only the provider can make: neither "none" nor those by the client's secret (RFC 8725 3.1)
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
# Difference of clocks that is allowed
LEEWAY_S = 60
LONGEST_NAME = 64
UNSIGNED = "expected an ID token that the identity provider has signed, got another"
# By claim of the ID token that is not as it must be (3.1.3.7)
WRONG = {
    "iss": "expected an ID token of the configured issuer, got another's",
    "aud": "expected an ID token for this page's client_id, got one for another application",
    "azp": "expected an ID token for this page's client_id, got one for another application",
    "nonce": "expected an ID token of this sign-in, got one of another",
    "exp": "expected an ID token that is valid now, got one that is not; are the clocks right?",
}


@dataclass(frozen=True)
class Identity:
    """Who has signed in: the account for the session, and the user's lasting identifier at the provider."""

    account: Account
    subject: str


class Provider:
    """The provider of the settings, which is asked only when its documents are needed."""

    def __init__(
        self,
        settings: OpenIdSettings,
        now_s: Callable[[], float] = time.monotonic,
        clock_s: Callable[[], float] = time.time,
    ) -> None:
        self.settings, self.clock_s = settings, clock_s
        self.documents = ProviderDocuments(settings, now_s)

    @property
    def host(self) -> str:
        """Returns the provider's host, by which people know it."""
        return urlsplit(self.settings.issuer).hostname or ""

    def address_for(self, sign_in: SignIn) -> str:
        """Returns the provider's address at which a user signs in. Raises TransientError or SignInError."""
        from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
        from authlib.oauth2.rfc7636 import create_s256_code_challenge

        address: str = prepare_grant_uri(
            self.documents.discovery()["authorization_endpoint"],
            self.settings.client_id,
            "code",
            self.settings.redirect_uri,
            ["openid", *self.settings.scopes],
            sign_in.state,
            nonce=sign_in.nonce,
            code_challenge=create_s256_code_challenge(sign_in.verifier),
            code_challenge_method="S256",
        )
        return address

    def goodbye(self) -> str:
        """Returns the address at which users end their session at the provider, or '' if none is known yet.

        OpenID Connect RP-Initiated Logout 1.0 2.
        """
        from authlib.common.urls import add_params_to_uri

        end = (self.documents.known[1] if self.documents.known else {}).get("end_session_endpoint")
        if not is_safe_address(end):
            return ""
        back = f"{self.settings.address.rstrip('/')}/login"
        return str(
            add_params_to_uri(
                end, [("client_id", self.settings.client_id), ("post_logout_redirect_uri", back)]
            )
        )

    def identity(self, code: str, sign_in: SignIn) -> Identity:
        """Returns who has signed in, from the code of the provider's answer.

        Raises SignInError for everybody who is not let in, TransientError if the provider does not answer.
        """
        claims = self._claims(self._token(code, sign_in), sign_in)
        name = f"{self._name(claims)} ({self.host})"
        role = role_of(claims, self.settings)
        if role is None:
            raise SignInError(
                f"expected a role for {name}, got none: no value of the claim {self.settings.claim} is in "
                "roles",
                code="no_role",
                who=name,
            )
        return Identity(Account(name, role, ""), str(claims["sub"]))

    def _token(self, code: str, sign_in: SignIn) -> str:
        """Returns the ID token for a code (RFC 6749 4.1.3)."""
        from authlib.oauth2.auth import ClientAuth
        from authlib.oauth2.rfc6749.parameters import prepare_token_request

        settings, document = self.settings, self.documents.discovery()
        body = prepare_token_request(
            "authorization_code",
            code=code,
            redirect_uri=settings.redirect_uri,
            code_verifier=sign_in.verifier,
        )
        secret = secret_of(settings)
        client = ClientAuth(settings.client_id, secret, method_of(document, bool(secret)))
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        address, headers, body = client.prepare("POST", document["token_endpoint"], headers, body)
        sent = str(body).encode()
        answer = self.documents.request("POST", address, headers | {"Content-Length": str(len(sent))}, sent)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise SignInError("expected an ID token from the identity provider, got none", code="no_token")
        return token

    def _claims(self, token: str, sign_in: SignIn) -> dict[str, Any]:
        """Returns the claims of an ID token that is signed, for us, for this sign-in, and valid now."""
        from authlib.oidc.core import CodeIDToken
        from joserfc.errors import ClaimError, JoseError

        decoded = self._decoded(token)
        client_id = self.settings.client_id
        options = {
            "iss": {"essential": True, "value": self.settings.issuer},
            "aud": {"essential": True, "value": client_id},
        }
        params = {"nonce": sign_in.nonce, "client_id": client_id}
        claims: dict[str, Any] = CodeIDToken(decoded.claims, decoded.header, options, params)
        try:
            claims.validate(int(self.clock_s()), LEEWAY_S)  # type: ignore[attr-defined]
        except ClaimError as error:
            raise SignInError(WRONG.get(str(error.claim), WRONG["exp"]), code="bad_token") from error
        except (JoseError, ValueError, TypeError) as error:
            raise SignInError(UNSIGNED, code="bad_token") from error
        return claims

    def _decoded(self, token: str) -> Any:
        """Returns a token with a right signature; asks for new keys if none of the known ones fits."""
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        for is_last in (False, True):
            try:
                return jwt.decode(token, KeySet(self.documents.keys(is_last)), algorithms=list(ALGORITHMS))
            except (JoseError, ValueError, TypeError, KeyError) as error:
                if is_last:
                    raise SignInError(UNSIGNED, code="bad_signature") from error
        raise AssertionError

    def _name(self, claims: Mapping[str, Any]) -> str:
        """Returns the name that the page shows: that of the setting, or the identifier."""
        for name in (claims.get(self.settings.name_claim), claims["sub"]):
            if isinstance(name, str) and 0 < len(name) <= LONGEST_NAME and name.isprintable():
                return name
        raise SignInError("expected a name of the user in the ID token, got none", code="no_name")


def method_of(document: Mapping[str, Any], has_secret: bool) -> str:
    """Returns how the client authenticates itself: by HTTP Basic unless the provider takes only forms."""
    methods = document.get("token_endpoint_auth_methods_supported")
    takes_basic = not isinstance(methods, list) or "client_secret_basic" in methods
    return ("client_secret_basic" if takes_basic else "client_secret_post") if has_secret else "none"


def secret_of(settings: OpenIdSettings) -> str:
    """Returns the client's secret. Raises SignInError if its file cannot be read."""
    if settings.client_secret_file is None:
        return revealed(settings.client_secret)
    try:
        return settings.client_secret_file.read_text(encoding="utf-8").split("\n")[0].strip()
    except (OSError, ValueError) as error:
        raise SignInError("expected a readable client_secret_file, it is not", code="no_secret") from error


def role_of(claims: Mapping[str, Any], settings: OpenIdSettings) -> Role | None:
    """Returns the role that may do most among those that the claims give, or None."""
    values = values_of(claims, settings.claim)
    given = (role for role in reversed(ROLES) if values & set(getattr(settings.roles, role)))
    return next(given, None)


def values_of(claims: Mapping[str, Any], name: str) -> set[str]:
    """Returns the texts of a claim, which may lie within objects; the claim of the whole name comes first."""
    found: Any = claims
    for part in (name,) if name in claims else name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    listed = found if isinstance(found, list) else [found]
    return {each for each in listed if isinstance(each, str)}
