"""Logging in by an OpenID Connect provider: to its page, and back with its answer."""

from __future__ import annotations

from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from app.library_messages import error_values
from app.node.accounts.openid import Identity, Provider
from app.node.accounts.openid_documents import SignInError
from app.node.accounts.sign_ins import LONGEST_S, SignIn
from app.node.watch.audit import LOGIN, MINOR_FAILURE
from app.web.access import RefusedError, address_of, log_in, site_of
from app.web.pages.users import TOO_MANY, login_page
from app.web.rendering import SEE_OTHER, page
from operators.errors import OsteonError, TransientError

# Binds the provider's answer to the browser that has asked; Lax, as the answer comes from the provider's page
SIGN_IN_COOKIE, PATH = "osteon-openid", "/openid"
REFUSED, UNAVAILABLE, NOT_THERE = 403, 503, 404
log = structlog.get_logger()
router = APIRouter(prefix=PATH)


def provider_of(request: Request) -> Provider:
    """Returns the provider. Raises RefusedError if the settings name none."""
    provider = site_of(request).provider
    if provider is None:
        raise RefusedError(NOT_THERE, "There is no such page.")
    return provider


Known = Annotated[Provider, Depends(provider_of)]


@router.get("/login")
def begun(request: Request, provider: Known) -> Response:
    """Leads to the provider."""
    site = site_of(request)
    if not site.logins.passed(f"sign-in {address_of(request)}"):
        return login_page(request, TOO_MANY, "Too many attempts; wait a minute.")
    cookie, sign_in = site.sign_ins.begin()
    try:
        response = RedirectResponse(provider.address_for(sign_in), SEE_OTHER)
    except OsteonError as error:
        return refused(request, error)
    response.set_cookie(
        SIGN_IN_COOKIE,
        cookie,
        max_age=int(LONGEST_S),
        path=PATH,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )
    return response


@router.get("/answer")
def answered(
    request: Request, provider: Known, state: str = "", code: str = "", error: str = "", iss: str = ""
) -> Response:
    """Begins the session of a user for whom the provider vouches; the page leads to the studies."""
    site = site_of(request)
    if not site.logins.passed(f"answer {address_of(request)}"):
        return login_page(request, TOO_MANY, "Too many attempts; wait a minute.")
    sign_in = site.sign_ins.take(state, request.cookies.get(SIGN_IN_COOKIE, ""))
    try:
        identity = identity_of(provider, sign_in, code, error, iss)
    except OsteonError as refusal:
        return refused(request, refusal)
    response = page(request, "signed_in.html", None)
    log_in(request, response, identity.account, provider.settings.issuer, identity.subject)
    response.delete_cookie(SIGN_IN_COOKIE, path=PATH)
    return response


def identity_of(provider: Provider, sign_in: SignIn | None, code: str, error: str, iss: str) -> Identity:
    """Returns who has signed in. Raises SignInError or TransientError."""
    if sign_in is None:
        raise SignInError(
            f"expected the answer to a log-in of this browser of the last {LONGEST_S / 60:.0f} minutes, got "
            f"another; begin again at {provider.settings.address}",
            code="unknown_state",
        )
    # RFC 9207: an answer that another issuer has made
    if iss and iss != provider.settings.issuer:
        raise SignInError("expected the answer of the configured issuer, got another's", code="wrong_issuer")
    if error or not code:
        why = "it denied access" if error == "access_denied" else "it answered with an error"
        raise SignInError(f"expected {provider.host} to let you log in; {why}", code="denied")
    return provider.identity(code, sign_in)


def refused(request: Request, error: OsteonError) -> Response:
    """Says on the login page why nobody is logged in; the audit trail and the log keep it."""
    who = error.who if isinstance(error, SignInError) else "unknown"
    site_of(request).trail.user(LOGIN, who, address_of(request), MINOR_FAILURE)
    log.warning("sign_in_refused", **error_values(error))
    status = UNAVAILABLE if isinstance(error, TransientError) else REFUSED
    return login_page(request, status, f"Not logged in: {error}.")


@router.get("/logout")
def left(provider: Known) -> Response:
    """Leads to the provider's own page for logging out."""
    return RedirectResponse(provider.goodbye() or "/login", SEE_OTHER)
