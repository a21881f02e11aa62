"""Logging in and out, and the accounts."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.datastructures import FormData
from starlette.responses import RedirectResponse, Response

from app.node.accounts.accounts import ROLES, Role
from app.node.watch.audit import ACCOUNT_CHANGED, LOGIN, LOGOUT, MINOR_FAILURE
from app.web.access import (
    COOKIE,
    TOKEN,
    Administrator,
    AdministratorForm,
    RefusedError,
    ViewerForm,
    address_of,
    log_in,
    site_of,
)
from app.web.rendering import SEE_OTHER, go_to, page
from operators.errors import OsteonError

# A cookie of its own, so that a form of the login page cannot be sent by another site either
LOGIN_COOKIE = "osteon-login"
WRONG, TOO_MANY = 401, 429
LONGEST_NAME = 64
router = APIRouter()


@router.get("/login")
def login(request: Request) -> Response:
    """Returns the login page."""
    return login_page(request)


def login_page(request: Request, status: int = 200, sentence: str = "") -> Response:
    """Returns the login page with a new token, and a sentence about the last attempt."""
    site, token = site_of(request), secrets.token_urlsafe(32)
    if site.is_open:
        return RedirectResponse("/", SEE_OTHER)
    shown = page(
        request,
        "login.html",
        None,
        status,
        token=token,
        sentence=sentence,
        has_accounts=bool(site.accounts.all()),
        provider=site.provider,
    )
    is_https = request.url.scheme == "https"
    shown.set_cookie(LOGIN_COOKIE, token, path="/login", secure=is_https, httponly=True, samesite="strict")
    return shown


async def login_form(request: Request) -> FormData:
    """Returns the form of the login page. Raises RefusedError if another page sent it."""
    form = await request.form(max_files=0, max_fields=10)
    expected = request.cookies.get(LOGIN_COOKIE, "")
    if not expected or not secrets.compare_digest(str(form.get(TOKEN, "")).encode(), expected.encode()):
        raise RefusedError(403, "The form is too old; load the page again.")
    return form


@router.post("/login")
def logged_in(request: Request, form: Annotated[FormData, Depends(login_form)]) -> Response:
    """Begins a session, if name and password are right."""
    site, address = site_of(request), address_of(request)
    name, password = str(form.get("name", ""))[:LONGEST_NAME], str(form.get("password", ""))
    # Both are counted, whichever is exceeded first
    passed = [site.logins.passed(f"address {address}"), site.logins.passed(f"name {name}")]
    if not all(passed):
        return login_page(request, TOO_MANY, "Too many attempts; wait a minute.")
    account = site.accounts.verified(name, password)
    if account is None:
        # Not the name as it was typed, which may be a password
        known = name if name in site.accounts.all() else "unknown"
        site.trail.user(LOGIN, known, address, MINOR_FAILURE)
        return login_page(request, WRONG, "Name or password is wrong.")
    response = RedirectResponse("/", SEE_OTHER)
    log_in(request, response, account)
    response.delete_cookie(LOGIN_COOKIE, path="/login")
    return response


@router.post("/logout")
def logged_out(request: Request, sent: ViewerForm) -> Response:
    """Ends the session."""
    site, visitor = site_of(request), sent[0]
    site.sessions.end(visitor.token)
    site.trail.user(LOGOUT, visitor.account.name, address_of(request))
    response = RedirectResponse("/login", SEE_OTHER)
    response.delete_cookie(COOKIE, path="/")
    return response


@router.get("/users")
def users(request: Request, visitor: Administrator) -> Response:
    """Returns the page of the accounts."""
    accounts = sorted(site_of(request).accounts.all().values(), key=lambda each: each.name)
    openid = site_of(request).web.openid
    return page(request, "users.html", visitor, accounts=accounts, roles=ROLES, openid=openid)


@router.post("/users/{change}")
def changed(request: Request, change: str, sent: AdministratorForm) -> Response:
    """Adds, changes or removes an account."""
    (visitor, form), site = sent, site_of(request)
    name, password = str(form.get("name", "")), str(form.get("password", ""))
    role = role_of(form)
    changes = {
        "add": lambda: site.accounts.add(name, role, password),
        "role": lambda: site.accounts.change(name, role=role),
        "password": lambda: site.accounts.change(name, password=password),
        "remove": lambda: site.accounts.remove(name),
    }
    if change not in changes:
        raise RefusedError(404, "There is no such action.")
    try:
        changes[change]()
    except OsteonError as error:
        return go_to("/users", visitor, f"Not done: {error}.")
    site.trail.user(ACCOUNT_CHANGED, visitor.account.name, address_of(request))
    return go_to("/users", visitor, f"{name}: {change} done.")


def role_of(form: FormData) -> Role:
    """Returns the role that a form names. Raises RefusedError for another word."""
    role = str(form.get("role", "viewer"))
    if role not in ROLES:
        raise RefusedError(400, "There is no such role.")
    return role
