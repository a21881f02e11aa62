"""A small OpenID Connect provider on loopback, right in all but what a test asks it to do wrong."""

from __future__ import annotations

import json
import secrets
import threading
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "osteon-page", "client's s3cret"
KEY, OTHER_KEY = (RSAKey.generate_key(2048, {"kid": kid, "use": "sig"}) for kid in ("k1", "k2"))


class OpenIdProvider(ThreadingHTTPServer):
    """Lets everybody in as `user`; `claims` and `discovery` replace what it says, None leaves it out.

    `sign` makes an ID token of claims; `statuses` answer the next requests by path instead.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        super().__init__((host, 0), Handler)
        self.issuer = f"http://{host}:{self.server_port}"
        self.user: dict[str, Any] = {"sub": "u-1", "preferred_username": "ann", "groups": ["osteon-admins"]}
        self.claims: dict[str, Any] = {}
        self.discovery: dict[str, Any] = {}
        self.keys = [KEY]
        self.sign = signed
        self.statuses: dict[str, tuple[int, dict[str, Any]]] = {}
        self.asked: list[str] = []
        self.codes: dict[str, dict[str, str]] = {}

    def document(self) -> dict[str, Any]:
        """Returns the discovery document."""
        said = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "end_session_endpoint": f"{self.issuer}/end",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
        } | self.discovery
        return {name: value for name, value in said.items() if value is not None}

    def authorize(self, query: dict[str, str]) -> str:
        """Returns the address to which a browser is sent back."""
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        answer = {"code": code, "state": query["state"], "iss": self.issuer}
        return f"{query['redirect_uri']}?{urlencode(answer)}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """Returns status and answer for a code, which may be used once and with its verifier only."""
        asked = self.codes.pop(form.get("code", ""), None)
        name, _, secret = b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        if (name, secret) != (CLIENT, SECRET):
            return 401, {"error": "invalid_client"}
        challenge = urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
        if (
            asked is None
            or asked["code_challenge"] != challenge
            or asked["redirect_uri"] != form["redirect_uri"]
        ):
            return 400, {"error": "invalid_grant"}
        now_s = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "iat": now_s,
            "exp": now_s + 300,
            "nonce": asked["nonce"],
            **self.user,
        } | self.claims
        token = self.sign({name: value for name, value in claims.items() if value is not None})
        return 200, {"access_token": "unused", "token_type": "Bearer", "id_token": token}


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: OpenIdProvider

    def do_GET(self) -> None:
        """Answers with a document, or sends the browser back."""
        parts = urlsplit(self.path)
        self.server.asked.append(parts.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/authorize":
            self.send_response(303)
            self.send_header("Location", self.server.authorize(query))
            self.end_headers()
            return
        documents = {
            "/.well-known/openid-configuration": self.server.document(),
            "/keys": {"keys": [key.as_dict(private=False) for key in self.server.keys]},
        }
        self.answer(parts.path, 200 if parts.path in documents else 404, documents.get(parts.path, {}))

    def do_POST(self) -> None:
        """Answers with a token."""
        self.server.asked.append(self.path)
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        fields = {name: values[0] for name, values in parse_qs(form).items()}
        self.answer(self.path, *self.server.token(fields, self.headers.get("Authorization", "")))

    def answer(self, path: str, status: int, content: dict[str, Any]) -> None:
        """Sends JSON, or what the test has asked for."""
        status, content = self.server.statuses.get(path, (status, content))
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if 300 <= status < 400:
            self.send_header("Location", f"{self.server.issuer}{path}?again")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def signed(claims: dict[str, Any]) -> str:
    """Returns an ID token signed with the provider's key."""
    return jwt.encode({"alg": "RS256", "kid": "k1"}, claims, KEY)


def unsigned(claims: dict[str, Any]) -> str:
    """Returns an ID token of the algorithm none (RFC 7519 6)."""
    parts = ({"alg": "none"}, claims)
    return ".".join(urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


@contextmanager
def openid_provider(host: str = "127.0.0.1") -> Iterator[OpenIdProvider]:
    """Runs a provider."""
    server = OpenIdProvider(host)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
