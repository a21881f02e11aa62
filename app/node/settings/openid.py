"""The settings of signing in to the page by OpenID Connect."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from app.node.settings.peer import Frozen
from app.node.settings.ports import is_loopback
from app.node.settings.redaction import SecretWord


class RoleValues(Frozen):
    """Values of the claim for each role; a user with values of several roles has the one that may do most."""

    administrator: tuple[str, ...] = Field((), description="Values of the claim that make an administrator")
    operator: tuple[str, ...] = Field((), description="Values of the claim that make an operator")
    viewer: tuple[str, ...] = Field((), description="Values of the claim that make a viewer")


class OpenIdSettings(Frozen):
    """An OpenID Connect provider, whose users may sign in to the page beside the local accounts."""

    issuer: str = Field(
        description="URL of the provider, as its discovery document states it; https, or http on this machine"
    )
    client_id: str = Field(min_length=1, description="The page's name at the provider")
    client_secret: Annotated[str, AfterValidator(SecretWord)] = Field(
        "", description="The page's secret at the provider; empty: a public client, protected by PKCE alone"
    )
    client_secret_file: Path | None = Field(
        None, description="File whose first line is the secret; read again for every sign-in"
    )
    address: str = Field(
        description="URL of the page as browsers see it; the provider must allow <address>/openid/answer as "
        "redirect URI, and <address>/login after logging out"
    )
    scopes: tuple[str, ...] = Field(("profile",), description="Scopes to request in addition to openid")
    claim: str = Field(
        "groups",
        min_length=1,
        description="Claim of the ID token that decides about the role, by its name or, within objects, by "
        "names with dots (realm_access.roles); a text or a list of texts",
    )
    roles: RoleValues = Field(
        description="Which values of the claim give which role; without one nobody enters"
    )
    name_claim: str = Field("preferred_username", description="Claim with the name that the page shows")
    authority: Path | None = Field(
        None,
        description="Certificates of the authorities to trust for the provider, in PEM; empty: the system's",
    )

    @field_validator("issuer", "address")
    @classmethod
    def _a_safe_address(cls, value: str) -> str:
        if not is_safe_address(value):
            raise ValueError("expected https://HOST[:PORT][/PATH], or http:// on this machine")
        return value

    @field_validator("roles")
    @classmethod
    def _some_role(cls, value: RoleValues) -> RoleValues:
        if not (value.administrator or value.operator or value.viewer):
            raise ValueError("expected values of the claim for at least one role")
        return value

    @model_validator(mode="after")
    def _one_secret(self) -> OpenIdSettings:
        if self.client_secret and self.client_secret_file:
            raise ValueError("expected one of client_secret and client_secret_file")
        return self

    @property
    def redirect_uri(self) -> str:
        """Returns the address at which the provider's answer is expected."""
        return f"{self.address.rstrip('/')}/openid/answer"


def is_safe_address(text: object) -> bool:
    """Returns whether a value is a URL whose content nobody on the way can read or change."""
    try:
        parts = urlsplit(text if isinstance(text, str) else "")
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    is_plain = not (parts.query or parts.fragment or "@" in parts.netloc)
    return (
        bool(host)
        and is_plain
        and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))
    )
