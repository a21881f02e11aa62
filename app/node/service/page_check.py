"""The part of `osteon check` about the page; also what the page itself requires at its start."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from app.node.accounts.accounts import Accounts
from app.node.accounts.openid import secret_of
from app.node.accounts.openid_documents import ProviderDocuments
from app.node.settings.configuration import NodeSettings
from app.node.settings.web import WebSettings
from operators.errors import OsteonError, UsageError

NEEDED = ("argon2", "markdown_it")
NEEDED_FOR_OPENID = ("authlib", "joserfc")


def require_libraries(web: WebSettings) -> None:
    """Raises UsageError if the extra `web` is not installed."""
    needed = NEEDED + (NEEDED_FOR_OPENID if web.openid else ())
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"expected the extra `web` for the page (pip install 'osteon[web]'), {missing} are missing"
        )


def require_pair(certificate: Path, key: Path) -> None:
    """Raises UsageError for files that are no certificate and its key."""
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except OSError as error:
        raise UsageError(f"expected readable certificate files in PEM, got: {error.strerror}") from error


def certificate_end(path: Path) -> datetime:
    """Returns when the first certificate of a file ends. Raises UsageError if none can be read."""
    from cryptography.x509 import load_pem_x509_certificate

    try:
        return load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as error:
        raise UsageError("expected a readable certificate in PEM, it is not") from error


def require_somebody(node: NodeSettings, web: WebSettings) -> None:
    """Raises UsageError if others reach the page and nobody can log in."""
    if not (web.is_local or web.openid or Accounts(node).all()):
        raise UsageError(
            f"expected accounts or openid for a page on {web.host}, got none: osteon users add NAME "
            "administrator"
        )


def page_findings(node: NodeSettings) -> Iterator[tuple[int, str]]:
    """Yields exit code and sentence of each check: libraries, certificate, accounts, identity provider."""
    if node.web is None:
        return
    checks: dict[str, Callable[[NodeSettings, WebSettings], str]] = {
        "libraries": lambda _, web: libraries(web),
        "certificate": lambda _, web: certificate(web),
        "accounts": accounts,
        "openid": lambda _, web: provider(web),
    }
    for name, check in checks.items():
        try:
            if said := check(node, node.web):
                yield 0, f"web {name}: {said}"
        except OsteonError as error:
            yield error.exit_code, f"web {name}: {error}"


def libraries(web: WebSettings) -> str:
    """Returns that the page's libraries are there. Raises UsageError."""
    require_libraries(web)
    return "installed"


def certificate(web: WebSettings) -> str:
    """Returns until when the page's certificate is valid; '' without one. Raises UsageError."""
    if web.certificate is None or web.key is None:
        return ""
    require_pair(web.certificate, web.key)
    if find_spec("cryptography") is None:
        return "fits its key"
    ends = certificate_end(web.certificate)
    if ends < datetime.now(UTC):
        raise UsageError(f"expected a certificate that is valid now, it ended on {ends:%F}")
    return f"valid until {ends:%F}"


def accounts(node: NodeSettings, web: WebSettings) -> str:
    """Returns how many may log in. Raises UsageError if nobody may, or the file is unreadable."""
    require_somebody(node, web)
    known = Accounts(node).all()
    if not (known or web.openid):
        return "none: everybody on this machine is an administrator"
    return f"{len(known)} local"


def provider(web: WebSettings) -> str:
    """Returns that the identity provider's documents can be used; '' without one. Raises OsteonError."""
    if web.openid is None:
        return ""
    secret_of(web.openid)
    documents = ProviderDocuments(web.openid, time.monotonic)
    documents.discovery()
    if not documents.keys():
        raise UsageError("expected keys for signatures from the identity provider, got none")
    return f"{web.openid.issuer} answers; it must allow {web.openid.redirect_uri}"
