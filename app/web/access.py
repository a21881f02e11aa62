"""Who may see and do what: sessions by cookie, roles, and tokens against forged requests (CSRF)."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import FormData
from starlette.responses import Response

from app.node.accounts.accounts import Account, Role
from app.node.accounts.sessions import Session
from app.node.watch.audit import LOGIN
from app.web.site import Site

COOKIE, TOKEN = "osteon-session", "csrf"
# Who acts on a page without accounts: anybody on this machine
LOCAL = Account("local", "administrator", "")
FORBIDDEN, TOO_MANY = 403, 429


class LoginNeededError(Exception):
    """The request belongs to no user."""


class RefusedError(Exception):
    """The request is refused with a status and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, eq=False)
class Visitor:
    """The user of a request, with the session."""

    account: Account
    session: Session
    token: str

    def may(self, role: Role) -> bool:
        """Returns whether the user has at least this role."""
        return self.account.may(role)


def site_of(request: Request) -> Site:
    """Returns the state of the page."""
    site: Site = request.app.state.site
    return site


def address_of(request: Request) -> str:
    """Returns the address that a request comes from."""
    return request.client.host if request.client else ""


def visitor(request: Request) -> Visitor:
    """Returns the user of a request, and begins a session without an account if it has none.

    Raises LoginNeededError if the page has accounts and the request no valid session of one.
    """
    site, token = site_of(request), request.cookies.get(COOKIE, "")
    # Before the page reads anything: what changes after this, its stream of events tells
    request.state.shown = site.changes_so_far()
    session = site.sessions.find(token, not is_automatic(request)) if token else None
    if site.is_open:
        if session is None:
            token, session = site.sessions.begin(None)
            request.state.new_token = token
        return Visitor(LOCAL, session, token)
    # An account that was changed or removed since has other values, or none
    if session is None or session.account is None or not site.knows(session):
        raise LoginNeededError
    return Visitor(session.account, session, token)


def is_automatic(request: Request) -> bool:
    """Returns whether an open page may have asked by itself, which does not keep its user logged in."""
    return request.headers.get("HX-Request") == "true" or request.url.path == "/events"


def allowed(role: Role) -> Callable[[Request], Visitor]:
    """Returns a dependency that admits users with at least a role."""

    def admitted(request: Request) -> Visitor:
        found = visitor(request)
        if not found.may(role):
            raise RefusedError(FORBIDDEN, f"This needs the role {role}; yours is {found.account.role}.")
        return found

    return admitted


def posted(role: Role, files: int = 0) -> Callable[[Request], Awaitable[tuple[Visitor, FormData]]]:
    """Returns a dependency that admits the forms of users with at least a role, sent from our own pages.

    `files` is how many files a form may hold.
    """

    async def form_of(request: Request) -> tuple[Visitor, FormData]:
        found = allowed(role)(request)
        form = await request.form(max_files=files, max_fields=50)
        require_token(form, found.session)
        if not site_of(request).changes.passed(found.token):
            raise RefusedError(TOO_MANY, "Too many requests; wait a moment.")
        return found, form

    return form_of


ADMITS_VIEWERS = Depends(allowed("viewer"))
# The parameters of routes: a user with at least the role, also with a form of our own pages
Viewer = Annotated[Visitor, ADMITS_VIEWERS]
Operator = Annotated[Visitor, Depends(allowed("operator"))]
Administrator = Annotated[Visitor, Depends(allowed("administrator"))]
ViewerForm = Annotated[tuple[Visitor, FormData], Depends(posted("viewer"))]
OperatorForm = Annotated[tuple[Visitor, FormData], Depends(posted("operator"))]
AdministratorForm = Annotated[tuple[Visitor, FormData], Depends(posted("administrator"))]


def require_token(form: FormData, session: Session) -> None:
    """Raises RefusedError unless the form holds the session's token."""
    if not secrets.compare_digest(str(form.get(TOKEN, "")).encode(), session.csrf.encode()):
        raise RefusedError(FORBIDDEN, "The form is too old; load the page again and repeat what you did.")


def set_cookie(request: Request, response: Response, token: str) -> None:
    """Gives the browser its session, which scripts and other sites cannot use."""
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, token, path="/", secure=secure, httponly=True, samesite="strict")


def log_in(
    request: Request, response: Response, account: Account, issuer: str = "", subject: str = ""
) -> None:
    """Begins the session of a user, in place of the browser's session before, and records it.

    `issuer` and `subject` are the provider that vouches for the user, and its identifier for the user.
    """
    site = site_of(request)
    site.sessions.end(request.cookies.get(COOKIE, ""))
    token, _ = site.sessions.begin(account, issuer)
    site.trail.user(LOGIN, account.name, address_of(request), known_as=subject)
    set_cookie(request, response, token)
