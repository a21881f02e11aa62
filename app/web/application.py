"""The application of the page: its routes, and the answers to refused requests."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from app.web.access import LoginNeededError, RefusedError, is_automatic, visitor
from app.web.headers import ProtectedAnswers
from app.web.pages import job, messages, models, openid, peers, queue, rules, settings, studies, users, viewer
from app.web.rendering import HERE, SEE_OTHER, page
from app.web.site import Site

PAGES = (studies, viewer, job, queue, peers, messages, rules, models, settings, users, openid)


def application(site: Site) -> ASGIApp:
    """Returns the application that shows and changes a site."""
    app = FastAPI(title="Osteon", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.site = site
    for each in PAGES:
        app.include_router(each.router)
    app.mount("/static", StoredFiles(directory=HERE / "static"))
    app.add_exception_handler(LoginNeededError, login_needed)
    app.add_exception_handler(RefusedError, refused)
    app.add_exception_handler(HTTPException, unknown)
    app.add_exception_handler(RequestValidationError, unknown)
    app.add_exception_handler(SQLAlchemyError, no_database)
    return ProtectedAnswers(app)


class StoredFiles(StaticFiles):
    """Files that browsers may store, unlike all else, and then only ask whether they are still the same."""

    def file_response(self, *given: Any, **named: Any) -> Response:
        """Returns the answer with a file."""
        answer = super().file_response(*given, **named)
        answer.headers["Cache-Control"] = "no-cache"
        return answer


def login_needed(request: Request, _: Exception) -> Response:
    """Sends people to the login page, also from a part of a page that htmx asked for."""
    if is_automatic(request):
        return Response(status_code=401, headers={"HX-Redirect": "/login"})
    return RedirectResponse("/login", SEE_OTHER)


def refused(request: Request, error: Exception) -> Response:
    """Says why a request is refused."""
    status = error.status if isinstance(error, RefusedError) else 400
    return said(request, status, str(error))


def unknown(request: Request, error: Exception) -> Response:
    """Answers requests for what does not exist."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    return said(
        request, status, "There is no such page." if status == 404 else "The request is not understood."
    )


def no_database(request: Request, _: Exception) -> Response:
    """Says that the database does not answer; its own message may hold a password."""
    return said(request, 503, "The database of jobs does not answer; the node tries again by itself.")


def said(request: Request, status: int, sentence: str) -> Response:
    """Returns a page with one sentence; without navigation for people who have not logged in."""
    try:
        who = visitor(request)
    except LoginNeededError:
        return PlainTextResponse(sentence, status)
    return page(request, "said.html", who, status, sentence=sentence)
