"""The models: which packages are in use, and their cards with sources, licences and figures."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup
from starlette.responses import FileResponse, Response

from app.web.access import ADMITS_VIEWERS, RefusedError, Viewer, site_of
from app.web.rendering import page

CARD = "MODEL_CARD.md"
NAME = re.compile(r"[a-z0-9_]+")
PICTURE = re.compile(r"[a-z0-9_-]+\.(svg|png)")
CARD_LINK = re.compile(r"\.\./([a-z0-9_]+)/MODEL_CARD\.md")
# A picture is a document of its own, which may not run anything either
PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
router = APIRouter(prefix="/models")


@router.get("")
def shown(request: Request, visitor: Viewer) -> Response:
    """Returns the list of packages, and of shared networks with a card."""
    site = site_of(request)
    packages = site.packages()
    cards = {path.parent.name for path in site.settings.models.glob(f"*/{CARD}")}
    shared = sorted(cards - {package.name for package in packages})
    return page(request, "models.html", visitor, packages=packages, cards=cards, shared=shared)


@router.get("/{name}")
def card(request: Request, name: str, visitor: Viewer) -> Response:
    """Returns the card of a package."""
    path = site_of(request).settings.models / name / CARD
    if not NAME.fullmatch(name) or not path.is_file():
        raise RefusedError(404, "There is no such card.")
    text = card_html(path.read_text(encoding="utf-8"), name)
    return page(request, "card.html", visitor, name=name, card=text)


@router.get("/{name}/{picture}", dependencies=[ADMITS_VIEWERS])
def picture(request: Request, name: str, picture: str) -> Response:
    """Returns a picture that a card shows."""
    path: Path = site_of(request).settings.models / name / picture
    if not (NAME.fullmatch(name) and PICTURE.fullmatch(picture) and path.is_file()):
        raise RefusedError(404, "There is no such picture.")
    return FileResponse(path, headers={"Content-Security-Policy": PICTURE_POLICY})


@cache
def reader() -> MarkdownIt:
    """Returns a reader of Markdown, which shows HTML as text."""
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def card_html(text: str, name: str) -> Markup:
    """Returns a card as HTML; its links lead to other cards, its pictures come from this server."""
    tokens = reader().parse(text)
    for token in (child for each in tokens for child in (each, *(each.children or ()))):
        redirect(token, name)
    return Markup(reader().renderer.render(tokens, reader().options, {}))  # noqa: S704 (HTML in it is escaped)


def redirect(token: Token, name: str) -> None:
    """Changes the target of a link or picture to one that the page serves, and styles to classes."""
    if style := token.attrs.pop("style", None):
        token.attrSet("class", str(style).rpartition(":")[2])
    if token.type == "link_open":
        link = CARD_LINK.fullmatch(str(token.attrGet("href")))
        token.attrSet("href", f"/models/{link[1]}" if link else f"/models/{name}")
    elif token.type == "image":
        token.attrSet("src", f"/models/{name}/{token.attrGet('src')}")
    elif token.type in ("heading_open", "heading_close"):
        # The page has a heading of its own
        token.tag = f"h{min(int(token.tag[1]) + 1, 6)}"
