"""Renders the templates, in which all text is escaped."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import RedirectResponse, Response

from app.node.accounts.accounts import Role
from app.node.queue.jobs.job_names import fingerprint
from app.node.queue.jobs.jobs_screen import duration
from app.printable import printable_line
from app.settings import SOFTWARE_VERSION
from app.web.access import Visitor, set_cookie, site_of

HERE = Path(__file__).parent
SEE_OTHER = 303
GIGABYTE = 1_000_000_000
# The pages in the navigation: address, title, least role
PAGES: tuple[tuple[str, str, Role], ...] = (
    ("/", "Studies", "viewer"),
    ("/queue", "Queue", "viewer"),
    ("/peers", "Peers", "viewer"),
    ("/messages", "Messages", "viewer"),
    ("/rules", "Rules", "viewer"),
    ("/models", "Models", "viewer"),
    ("/settings", "Settings", "operator"),
    ("/users", "Users", "administrator"),
)


@cache
def templates() -> Environment:
    """Returns the templates of the pages."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "fingerprint": fingerprint,
        "duration": duration,
        "line": printable_line,
        "gigabytes": lambda count: f"{count / GIGABYTE:.1f} GB",
        "moment": moment,
        "written": lambda text: moment(datetime.fromisoformat(text)),
        "ended": lambda hour: hour.delivered + hour.refused + hour.failed,
        "at": lambda text: f"{datetime.fromisoformat(text).astimezone():%H:%M:%S}",
        "clock": lambda at_ms: f"{of_ms(at_ms):%H:%M}",
    }
    return made


def of_ms(at_ms: int) -> datetime:
    """Returns a time of day in the node's time zone."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone()


def moment(at: datetime | int) -> str:
    """Returns a date and time in the node's time zone."""
    return f"{(of_ms(at) if isinstance(at, int) else at.astimezone()):%F %T}"


def page(
    request: Request, template: str, visitor: Visitor | None, status: int = 200, /, **values: Any
) -> Response:
    """Returns a page, with a user's messages, which are shown once."""
    site = site_of(request)
    messages = list(visitor.session.messages) if visitor else []
    if visitor:
        visitor.session.messages.clear()
    return render(
        request,
        template,
        visitor,
        status,
        messages=messages,
        pages=[each for each in PAGES if visitor and visitor.may(each[2])],
        path=request.url.path,
        is_open=site.is_open,
        health=site.board.read(),
        ae_title=site.node.ae_title,
        version=SOFTWARE_VERSION,
        shown=urlencode(getattr(request.state, "shown", {})),
        **values,
    )


def render(
    request: Request, template: str, visitor: Visitor | None, status: int = 200, /, **values: Any
) -> Response:
    """Returns a rendered template, or a part of a page."""
    text = (
        templates()
        .get_template(template)
        .render(
            visitor=visitor,
            csrf=visitor.session.csrf if visitor else "",
            now_ms=int(site_of(request).now().timestamp() * 1000),
            **values,
        )
    )
    response = HTMLResponse(text, status)
    # A browser that has no session gets the one that was begun for it
    if token := getattr(request.state, "new_token", None):
        set_cookie(request, response, token)
    return response


def go_to(address: str, visitor: Visitor, *messages: str) -> Response:
    """Returns a redirection to one of our pages, which shows the messages."""
    visitor.session.messages.extend(messages)
    return RedirectResponse(address, SEE_OTHER)
