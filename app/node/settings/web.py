"""The settings of the node's page."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from app.node.settings.openid import OpenIdSettings
from app.node.settings.peer import Frozen
from app.node.settings.ports import is_loopback


class WebSettings(Frozen):
    """The page for people: studies, queue, peers, rules, models. It needs the extra `web`."""

    host: str = Field(
        "127.0.0.1",
        description="Address to listen on; any but loopback requires accounts, and TLS here or in a proxy",
    )
    port: int = Field(9113, ge=0, le=65535, description="Port of the page")
    names: tuple[str, ...] = Field(
        (), description="Host names of the page, in addition to localhost and IP addresses"
    )
    proxies: tuple[str, ...] = Field(
        (), description="IP addresses of proxies with TLS, whose X-Forwarded-For and -Proto are trusted"
    )
    certificate: Path | None = Field(None, description="Certificate in PEM format, for HTTPS")
    key: Path | None = Field(None, description="Its private key; new files are read without a restart")
    session_s: float = Field(12 * 3600, gt=0, description="Seconds after which a user must log in again")
    idle_s: float = Field(
        3600, gt=0, description="Seconds without a request after which a user is logged out"
    )
    openid: OpenIdSettings | None = Field(
        None, description="Signing in by OpenID Connect, beside the local accounts; empty: none"
    )
    echo_s: float = Field(
        60, ge=0, description="Interval in seconds for testing the destinations; 0: only on request"
    )

    @property
    def is_local(self) -> bool:
        """Returns whether only this machine can reach the page."""
        return is_loopback(self.host)

    @model_validator(mode="after")
    def _no_passwords_in_clear(self) -> WebSettings:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("expected certificate and key, got one of them")
        if not (self.is_local or self.certificate or self.proxies):
            raise ValueError(
                f"expected certificate and key, or proxies with TLS, as others reach {self.host}: passwords "
                "and patient data would cross the network unencrypted"
            )
        return self
